"""Cityscapes: snippets, labels, cameras, and depth beside them."""

import json
import logging

import numpy as np
import pytest

from tests.data.layouts.rendered_trees import SIZE
from tests.data.structured.test_matlab import matlab_file, matrix
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.layouts import recognise
from vergence.data.layouts.cityscapes import cityscapes
from vergence.data.measured.inverse_depth import from_metres
from vergence.errors import InputError

CAMERA = {"intrinsic": {"fx": 2262.52, "fy": 2265.3, "u0": 1096.98, "v0": 513.137}, "extrinsic": {"baseline": 0.209313}}


def names(recording: str, numbers: range, kind: str = "leftImg8bit") -> list[str]:
    return [f"{recording}_{number:06d}_{kind}.png" for number in numbers]


@pytest.fixture
def city(tmp_path, put):
    for part, town in (("train", "aachen"), ("val", "munster")):
        sequence = tmp_path / "leftImg8bit_sequence" / part / town
        put(sequence, names(f"{town}_000000", range(3, 6)) + names(f"{town}_000000", range(20, 23)))
        put(tmp_path / "leftImg8bit" / part / town, names(f"{town}_000000", range(4, 5)))
        put(tmp_path / "rightImg8bit_sequence" / part / town, names(f"{town}_000000", range(4, 6), "rightImg8bit"))
        labels = tmp_path / "gtFine" / part / town
        put(labels, names(f"{town}_000000", range(4, 5), "gtFine_labelIds"), mode="L")
        put(tmp_path / "disparity" / part / town, names(f"{town}_000000", range(4, 5), "disparity"), mode="I;16")
        cameras = tmp_path / "camera" / part / town
        cameras.mkdir(parents=True)
        (cameras / f"{town}_000000_000004_camera.json").write_text(json.dumps(CAMERA))
    return tmp_path


def test_snippets_are_sequences_of_the_camera_of_their_label(city, caplog):
    with caplog.at_level(logging.INFO):
        manifest = cityscapes(city)
    assert [row.sequence for row in manifest][:6] == ["aachen_000000_000003"] * 3 + ["aachen_000000_000020"] * 3
    assert manifest.splits() == {"train": 6, "val": 6}
    assert manifest[0].fx == 2262.52 / 2048
    assert manifest[0].cy == 513.137 / 1024
    assert manifest.neighbour(2, 1) is None
    assert "2 snippet(s) use the data set's mean" in caplog.text
    assert manifest[3].fy == 2265.3018 / 1024


def test_stereo_labels_and_disparity_of_one_frame(city):
    rows = list(cityscapes(city))
    assert [bool(row.stereo) for row in rows[:3]] == [False, True, True]
    assert rows[1].baseline == 0.209313
    assert rows[1].label == "gtFine/train/aachen/aachen_000000_000004_gtFine_labelIds.png"
    assert rows[1].label_space == "cityscapes_ids"
    assert rows[1].disparity == "disparity/train/aachen/aachen_000000_000004_disparity.png"
    assert rows[0].disparity == ""


def test_train_ids_are_preferred(city, put):
    put(city / "gtFine" / "train" / "aachen", names("aachen_000000", range(4, 5), "gtFine_labelTrainIds"), mode="L")
    row = cityscapes(city)[1]
    assert row.label.endswith("_labelTrainIds.png")
    assert row.label_space == "cityscapes19"


def test_stills(city):
    manifest = cityscapes(city, images="stills")
    assert [row.image for row in manifest] == [
        "leftImg8bit/train/aachen/aachen_000000_000004_leftImg8bit.png",
        "leftImg8bit/val/munster/munster_000000_000004_leftImg8bit.png",
    ]


def test_only_labelled_frames_as_samples(city):
    train = cityscapes(city, samples="labelled").select(split="train")
    assert [row.position for row in train] == [4]
    assert train.has_source(0, -1)
    assert train.has_source(0, 1)
    with pytest.raises(InputError, match="samples 'none' is unknown; use all, labelled"):
        cityscapes(city, samples="none")


def test_broken_cityscapes(city, tmp_path, put):
    path = city / "camera" / "train" / "aachen" / "aachen_000000_000004_camera.json"
    path.write_text(json.dumps({"intrinsic": {}}))
    with pytest.raises(InputError, match=r"intrinsic\.fx: expected a finite number greater than 0, found nothing"):
        cityscapes(city)
    with pytest.raises(InputError, match="unknown; use auto"):
        cityscapes(city, images="all")
    put(city / "leftImg8bit_sequence" / "train" / "aachen", ["photo.png"])
    with pytest.raises(InputError, match=r"photo\.png is not named like"):
        cityscapes(city, intrinsics="mean")
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        cityscapes(tmp_path / "none")


def test_depth_beside_cityscapes(tmp_path, put):
    stem, place = "aachen_000000_000019", "train/aachen"
    put(tmp_path / "leftImg8bit_trainvaltest" / "leftImg8bit" / place, [f"{stem}_leftImg8bit.png"])
    put(tmp_path / "leftImg8bit_trainvaltest" / "leftImg8bit" / place, ["aachen_000001_000019_leftImg8bit.png"])
    put(tmp_path / "gtFine_trainvaltest" / "gtFine" / place, [f"{stem}_gtFine_labelIds.png"], mode="L")
    put(tmp_path / "disparity" / place, [f"{stem}_leftImg8bit.png", f"{stem}_disparity.png"], mode="I;16")
    metres = np.random.default_rng(0).uniform(-1, 900, SIZE[::-1])
    (tmp_path / "depth" / place).mkdir(parents=True)
    matlab_file(tmp_path / "depth" / place / f"{stem}_depth_stereoscopic.mat", matrix("depth_map", metres))
    assert recognise(tmp_path) == "cityscapes"
    manifest = cityscapes(tmp_path, intrinsics="mean")
    row = manifest[0]
    assert row.image == f"leftImg8bit_trainvaltest/leftImg8bit/{place}/{stem}_leftImg8bit.png"
    assert row.label == f"gtFine_trainvaltest/gtFine/{place}/{stem}_gtFine_labelIds.png"
    assert row.estimate == f"disparity/{place}/{stem}_leftImg8bit.png"
    assert row.disparity == f"disparity/{place}/{stem}_disparity.png"
    assert row.depth == f"depth/{place}/{stem}_depth_stereoscopic.mat"
    assert manifest[1].depth == ""
    found = FrameDataset(manifest, FrameOptions(height=16, width=32, offsets=(), load_inverse_depth="measured"), False)
    expected = from_metres(metres)
    np.testing.assert_allclose(found[0]["inverse_depth"][0], expected, rtol=1e-5)
    assert ((found[0]["inverse_depth"][0] == 1).numpy() == (expected == 1)).all()
