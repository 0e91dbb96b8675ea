"""Depth supervision as a part of samples: it is where the label is, after resize, flip and crop."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.small_world import manifest, picture, save, video
from vergence.data.caching.cache import FrameCache
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.estimate_files import read_estimate, read_sigmoid, write_sigmoid
from vergence.data.imaging.images import frame_depth, read_depth
from vergence.data.imaging.transforms import Placement
from vergence.data.manifest import FrameRow, Manifest
from vergence.data.measured.depth_files import write_depth_png
from vergence.errors import InputError

OPTIONS = FrameOptions(height=12, width=20, offsets=(), jitter=0.0, load_label=True)


@pytest.fixture
def blocks(tmp_path):
    """A frame whose label, metres (0 where the label is 0) and stored estimate say the same number in each pixel."""
    (row,) = video(tmp_path, 1)
    numbers = np.random.default_rng(0).integers(0, 200, (24, 40)).astype(np.uint8)
    save(tmp_path / "label.png", numbers)
    write_depth_png(tmp_path / "depth.png", numbers.astype(np.float32))
    save(tmp_path / "estimate.png", numbers.astype(np.uint16) * 256)
    paths = {"label": "label.png", "depth": "depth.png", "estimate": "estimate.png"}
    return Manifest([dataclasses.replace(row, **paths)], tmp_path)


@pytest.mark.parametrize("kind", ["measured", "estimate"])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_it_moves_with_the_label(blocks, kind, fit):
    wanted = dataclasses.replace(OPTIONS, load_inverse_depth=kind, fit=fit, width=18, flip=0.5, random_crop=(7, 9))
    dataset = FrameDataset(blocks, wanted, train=True)
    seen = set()
    for epoch in range(8):
        sample = dataset[epoch, 0]
        label = sample["label"].double()
        expected = 1 + label if kind == "estimate" else torch.where(label == 0, 1.0, 655.36 / (label + 0.01))
        assert sample["inverse_depth"].shape == (1, 7, 9)
        assert sample["inverse_depth"].dtype == torch.float32
        torch.testing.assert_close(sample["inverse_depth"][0], expected.float())
        assert torch.equal(sample["inverse_depth"][0] == 1, label == 0)
        seen.add(bool(sample["flipped"]))
    assert seen == {True, False}


def test_maps_of_another_size_than_the_frame(blocks, tmp_path):
    save(tmp_path / "estimate.png", np.repeat(np.uint16([[256, 512]]), 6, axis=0))
    sample = FrameDataset(blocks, dataclasses.replace(OPTIONS, load_inverse_depth="estimate"), train=False)[0]
    assert sample["inverse_depth"][0].tolist() == [[2.0] * 10 + [3.0] * 10] * 12


def test_it_is_there_only_where_it_is_asked_for(blocks):
    assert "inverse_depth" not in FrameDataset(blocks, OPTIONS, train=True)[0]
    with pytest.raises(InputError, match="load_inverse_depth is 'mono'; give one of nothing, measured, estimate"):
        dataclasses.replace(OPTIONS, load_inverse_depth="mono")


def test_estimates_of_eight_bits_are_refused(blocks, tmp_path):
    save(tmp_path / "estimate.png", picture(0)[..., 0])
    with pytest.raises(InputError, match="mode L, expected a grey 16-bit picture"):
        FrameDataset(blocks, dataclasses.replace(OPTIONS, load_inverse_depth="estimate"), train=False)[0]


def test_nearest_is_what_labels_are_resized_by():
    numbers = np.random.default_rng(0).integers(0, 255, (37, 53)).astype(np.uint8)
    for size, fit in (((20, 31), "stretch"), ((64, 90), "crop"), ((12, 40), "crop")):
        placement = Placement.fit((37, 53), size, fit)
        np.testing.assert_array_equal(placement.nearest(numbers.astype(np.float32)), placement.label(numbers))


# -- files of sigmoid output -------------------------------------------------------------------------------------------


def test_sigmoid_output_is_kept_as_it_is(tmp_path):
    sigma = np.random.default_rng(0).uniform(0.01, 0.4, (6, 7)).astype(np.float32)
    path = write_sigmoid(tmp_path / "new" / "e.png", sigma)
    assert read_sigmoid(path).dtype == np.uint16
    np.testing.assert_array_equal(read_sigmoid(path), np.rint(65535 * sigma.astype(np.float64)))
    expected = (sigma - sigma.min()) / np.ptp(sigma)
    np.testing.assert_allclose(read_estimate(path), expected, atol=1 / 65535 / np.ptp(sigma))


def test_sigmoid_output_that_is_none(tmp_path):
    with pytest.raises(InputError, match="1 values that are not finite"):
        write_sigmoid(tmp_path / "e.png", np.array([[0.1, np.nan]]))
    with pytest.raises(InputError, match="is 6554 everywhere"):
        write_sigmoid(tmp_path / "e.png", np.array([[0.1, 0.1000001]]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        write_sigmoid(tmp_path / "e.png", np.array([[0.1, 1.5]]))
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        write_sigmoid(tmp_path / "e.png", np.zeros((1, 2, 3)))
    assert not list(tmp_path.iterdir())


# -- units and filters -------------------------------------------------------------------------------------------------


def test_units_of_measured_depth(tmp_path):
    stored = np.uint16([[0, 1000, 65535]])
    save(tmp_path / "d.png", stored)
    np.save(tmp_path / "d.npy", stored)
    expected = {"metres": 1, "centimetres": 0.01, "millimetres": 0.001}
    for unit, factor in expected.items():
        for name in ("d.png", "d.npy"):
            np.testing.assert_allclose(read_depth(tmp_path / name, unit), stored * factor, rtol=1e-6)
    np.testing.assert_allclose(read_depth(tmp_path / "d.png"), stored / 256)
    (row,) = video(tmp_path, 1, depth="d.png", depth_unit="centimetres")
    data = Manifest([row], tmp_path)
    np.testing.assert_allclose(frame_depth(data, 0), [[0, 10, 655.35]], rtol=1e-6)
    written = Manifest.read(data.write(tmp_path / "m.csv"))
    assert written[0].depth_unit == "centimetres"
    with pytest.raises(InputError, match="depth_unit is 'cm'; use metres, centimetres, millimetres, or leave it"):
        Manifest([dataclasses.replace(row, depth_unit="cm")], tmp_path)


def test_the_unit_changes_a_digest_only_where_it_is_given(tmp_path):
    row = FrameRow("a.png", "s", 0)
    assert Manifest([row], tmp_path).digest() == "88642d1435f5"
    assert Manifest([dataclasses.replace(row, depth_unit="metres")], tmp_path).digest() != "88642d1435f5"


@pytest.mark.parametrize("name", ["lanczos", "bicubic", "bilinear"])
def test_images_are_resized_by_the_filter_of_the_options(tmp_path, name):
    data = manifest(tmp_path, 1)
    cache = FrameCache(tmp_path / "cache", 12, 20)
    expected = Image.open(data.path(0)).resize((20, 12), Image.Resampling[name.upper()])
    for other in ("lanczos", "bilinear", name):  # entries of the cache are of one filter each
        wanted = FrameOptions(height=12, width=20, offsets=(), resampling=other)
        frames = FrameDataset(data, wanted, train=False, cache=cache)[0]["frames"]
    np.testing.assert_array_equal(frames[0].permute(1, 2, 0), np.array(expected))
    with pytest.raises(InputError, match="resampling is 'box'"):
        FrameOptions(resampling="box")
