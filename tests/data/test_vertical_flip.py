"""Flips of frames whose principal point is anywhere, such as those of endoscopes."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.data.small_frames import BASELINE, options, same, stereo_pair, view_error
from tests.data.small_world import manifest
from vergence.data.dataset import FrameDataset
from vergence.data.imaging.transforms import View, flip_view, flip_view_vertically
from vergence.errors import InputError
from vergence.geometry.camera import Camera, flip_intrinsics_vertically

SUPER = Camera(768.99, 768.99, 292.89, 291.61, 640, 480)
"""The endoscope of Semantic-SuPer: its principal point is far from the centre."""


def random_view() -> View:
    draw = torch.Generator().manual_seed(0)
    transform = torch.eye(4)
    transform[:3] += 0.1 * torch.randn((3, 4), generator=draw)
    return View(
        images=torch.randint(0, 256, (2, 3, 6, 10), generator=draw, dtype=torch.uint8),
        intrinsics=torch.stack([SUPER.resized(10, 6).matrix(), SUPER.resized(10, 6).matrix()]),
        stereo_transform=transform,
        label=torch.randint(0, 3, (6, 10), generator=draw),
        depth=torch.rand((1, 6, 10), generator=draw),
        estimate=torch.rand((1, 6, 10), generator=draw),
    )


def pixels(K, points):
    """Pixels (N, 2) of points (N, 3), in double precision."""
    seen = points @ K.double().T
    return seen[:, :2] / seen[:, 2:]


@pytest.mark.parametrize(("flip", "axis"), [(flip_view, 0), (flip_view_vertically, 1)])
def test_projecting_then_flipping_is_flipping_then_projecting(flip, axis):
    points = torch.tensor([[0.1, -0.2, 2.0], [-0.4, 0.3, 1.0], [0.0, 0.0, 5.0]], dtype=torch.float64)
    side = (640, 480)[axis]
    blank = View(torch.zeros((2, 3, 480, 640), dtype=torch.uint8), SUPER.matrix().expand(2, 3, 3), torch.eye(4))
    flipped_pixels = pixels(blank.intrinsics[0], points)
    flipped_pixels[:, axis] = side - 1 - flipped_pixels[:, axis]
    mirrored = points.clone()
    mirrored[:, axis] *= -1
    torch.testing.assert_close(pixels(flip(blank).intrinsics[0], mirrored), flipped_pixels, rtol=0, atol=1e-4)


def test_the_camera_of_an_image_turned_upside_down():
    flipped = dataclasses.replace(SUPER, cy=187.39)
    torch.testing.assert_close(flip_intrinsics_vertically(SUPER.matrix(), 480), flipped.matrix())
    torch.testing.assert_close(flip_intrinsics_vertically(flipped.matrix(), 480), SUPER.matrix())
    with pytest.raises(ValueError, match="flip_intrinsics_vertically"):
        flip_intrinsics_vertically(torch.eye(4), 480)


def test_rows_of_everything_are_reversed():
    view = random_view()
    flipped = flip_view_vertically(view)
    for name in ("images", "label", "depth", "estimate"):
        np.testing.assert_array_equal(getattr(flipped, name), getattr(view, name).numpy()[..., ::-1, :])
    assert flipped.inverse_depth is None
    mirror, point = torch.tensor([1.0, -1, 1, 1]), torch.tensor([0.3, 0.2, 4.0, 1.0])
    torch.testing.assert_close(flipped.stereo_transform @ (mirror * point), mirror * (view.stereo_transform @ point))


def test_flipping_twice_restores_everything_and_the_two_flips_commute():
    view = random_view()
    for pair in (
        (flip_view_vertically(flip_view_vertically(view)), view),
        (flip_view_vertically(flip_view(view)), flip_view(flip_view_vertically(view))),
    ):
        for field in dataclasses.fields(View):
            first, second = (getattr(one, field.name) for one in pair)
            if first is None:
                assert second is None
            else:
                torch.testing.assert_close(first, second)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("crop", [None, (48, 72)])
def test_the_partner_explains_the_target_upside_down(tmp_path, flip, crop):
    chosen = options(height=64, width=96, offsets=("s",), flip=flip, flip_vertical=1.0, random_crop=crop)
    sample = FrameDataset(stereo_pair(tmp_path, BASELINE, 0.47), chosen, train=True, seed=1)[0]
    expected = torch.eye(4)
    expected[0, 3] = BASELINE if flip else -BASELINE  # a rectified pair stays rectified; rows do not move its side
    torch.testing.assert_close(sample["stereo_transform"], expected)
    torch.testing.assert_close(sample["intrinsics"][0, 1], sample["intrinsics"][1, 1])
    assert view_error(sample, sample["stereo_transform"]) < 0.01


def test_the_vertical_coin_is_another_one_and_leaves_other_draws_alone(tmp_path):
    frames = manifest(tmp_path, 4)
    base = options(flip=0.5, jitter=0.5, offsets=(1,))
    plain = FrameDataset(frames, base, train=True)
    both = FrameDataset(frames, dataclasses.replace(base, flip_vertical=0.25), train=True)
    upside_down = []
    for key in [(epoch, i) for epoch in range(100) for i in range(3)]:
        first, second = plain[key], both[key]
        assert torch.equal(first["flipped"], second["flipped"])
        assert torch.equal(first["jitter"], second["jitter"])
        turned = not torch.equal(first["frames"], second["frames"])
        if turned:
            assert torch.equal(first["frames"], second["frames"].flip(-2))
        else:
            assert same(first, second)
        upside_down.append(turned)
    assert np.mean(upside_down) == pytest.approx(0.25, abs=0.07)
    evaluated = FrameDataset(frames, dataclasses.replace(base, flip_vertical=1.0), train=False)
    assert all(same(evaluated[i], FrameDataset(frames, base, train=False)[i]) for i in range(2))


def test_impossible_options():
    with pytest.raises(InputError, match="flip_vertical is a probability"):
        options(flip_vertical=2.0)
    with pytest.raises(InputError, match="legacy_intrinsics knows no flip_vertical"):
        options(flip_vertical=0.5, legacy_intrinsics=True)
