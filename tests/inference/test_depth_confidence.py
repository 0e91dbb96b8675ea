"""Confidence of depth: it falls where predictions disagree, and goes where it is asked for and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run
from tests.ply import read_ply
from vergence.errors import InputError
from vergence.inference.depth_confidence import depth_confidence, depth_evidence
from vergence.inference.network_maps import predict_maps
from vergence.inference.tracker_files import read_tracker_frame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run(tmp_path_factory.mktemp("runs") / "seg")


def test_it_falls_with_disagreement_and_knows_no_unit() -> None:
    plain = torch.full((2, 1, 24, 40), 0.2)
    mirrored = plain.clone()
    mirrored[:, :, :, 20:] *= 1.5
    sure = depth_confidence(plain, mirrored)
    assert sure.shape == plain.shape
    assert ((sure > 0) & (sure < 1)).all()
    assert sure[..., 30:].max() < sure[..., :15].min()
    torch.testing.assert_close(depth_confidence(plain * 37, mirrored * 37), sure)
    evidence = depth_evidence(plain, mirrored)
    torch.testing.assert_close(
        evidence["disagreement"][..., 30:].exp(), torch.full((2, 1, 24, 10), 0.003 + float(np.log(1.5)))
    )
    with pytest.raises(ValueError, match="expected one"):
        depth_confidence(plain, mirrored[..., 1:])


def test_a_coarser_scale_that_says_something_else_is_doubt() -> None:
    plain = torch.full((1, 1, 24, 40), 0.2)
    coarser = torch.full((1, 1, 12, 20), 0.2)
    agreed = depth_confidence(plain, plain, coarser)
    torch.testing.assert_close(agreed, depth_confidence(plain, plain))
    coarser[..., 10:] *= 2
    assert depth_confidence(plain, plain, coarser)[..., 30:].max() < agreed[..., 30:].min()


def test_other_maps_stay_what_they_are(run: Path) -> None:
    method = vergence.load(run, "cpu").network.method
    images = torch.rand(2, 3, 64, 96)
    plain, asked = predict_maps(method, images), predict_maps(method, images, depth_confidence=True)
    assert set(asked) - set(plain) == {"depth_confidence"}
    assert all(torch.equal(plain[name], asked[name]) for name in plain)
    both = predict_maps(method, images, flip=True, depth_confidence=True)
    assert torch.equal(both["depth_confidence"], asked["depth_confidence"])


def test_files_door_clouds_and_trackers_say_the_same(run: Path, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "frame.png")
    seen = vergence.load(run, "cpu", depth_confidence=True).predict(tmp_path / "frame.png")
    sure = seen.depth_confidence
    assert sure is not None
    assert (sure.shape, sure.dtype) == ((90, 160), np.float32)
    middle = float(np.median(sure))
    out = tmp_path / "out"
    vergence.predict(
        run, tmp_path / "frame.png", out, depth_confidence=True, cloud=True, min_confidence=middle, tracker=True,
        device="cpu",
    )  # fmt: skip
    stored = np.asarray(Image.open(out / "depth_confidence" / "frame.png"))
    assert np.abs(stored / 255 - sure).max() <= 0.5 / 255 + 1e-6
    cloud, same = read_ply(out / "cloud" / "frame.ply"), seen.cloud(min_confidence=middle)
    np.testing.assert_array_equal(cloud.confidence, same.confidence)
    assert cloud.confidence is not None
    assert cloud.confidence.min() >= middle
    assert 0 < len(cloud.points) < len(seen.cloud().points)
    frame = read_tracker_frame(out / "tracker" / "frame.npz")
    np.testing.assert_allclose(frame["depth_confidence"], sure, atol=1e-6)
    again = vergence.predict(run, tmp_path / "frame.png", tmp_path / "plain", array=True, device="cpu")
    assert "depth_confidence" not in again
    np.testing.assert_array_equal(np.load(tmp_path / "plain" / "array" / "frame.npy"), seen.depth)


def test_mistakes_are_told(run: Path, tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "frame.png")
    with pytest.raises(InputError, match=r"min_confidence is 1.5; give a share from 0 to 1"):
        vergence.predict(run, tmp_path / "frame.png", tmp_path / "out", cloud=True, min_confidence=1.5, device="cpu")
    with pytest.raises(InputError, match="is of point clouds; give --cloud too"):
        vergence.predict(run, tmp_path / "frame.png", tmp_path / "out", min_confidence=0.5, device="cpu")
    with pytest.raises(InputError, match="says no confidence of depth; load the model with depth_confidence=True"):
        vergence.load(run, "cpu").predict(picture()).cloud(min_confidence=0.5)
