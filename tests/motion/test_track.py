"""Composed motion: exact for known shifts, resampled once, honest about what leaves the picture."""

import pytest
import torch

from vergence.motion.track import advance, begin, is_cut, pixel_positions, sample


def shift(x: float, y: float, size: tuple[int, int] = (20, 30)) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(2, 1, 1).expand(2, *size)


def test_samples_are_bilinear_and_the_border_goes_on() -> None:
    values = torch.arange(12.0).view(1, 3, 4)
    position = torch.tensor([[[0.5, 3.0, 9.0]], [[0.0, 1.5, 1.0]]])
    assert sample(values, position)[0, 0].tolist() == pytest.approx([0.5, 9.0, 7.0])


def test_shifts_add_up_over_many_steps_without_drift() -> None:
    track = begin(20, 30)
    for _ in range(10):  # the scene moves by a third of a pixel to the right a frame
        track = advance(track, shift(-1 / 3, 0), shift(1 / 3, 0))
    inner = track.position[:, :, 8:] - pixel_positions(track.error)[:, :, 8:]
    assert inner[0].max().item() == pytest.approx(-10 / 3, abs=1e-3)
    assert inner[1].abs().max() < 1e-3
    assert track.error[:, 8:].max() < 1e-2
    assert track.cycle()[:, 8:-8].max() < 1e-2
    assert track.steps == 10


def test_what_left_the_picture_is_infinitely_unsure_for_good() -> None:
    track = advance(begin(20, 30), shift(-5, 0), shift(5, 0))
    assert torch.isinf(track.error[:, :4]).all()
    assert torch.isfinite(track.error[:, 5:]).all()
    back = advance(track, shift(5, 0), shift(-5, 0))
    assert torch.isinf(back.error[:, -4:]).all()


def test_error_is_the_distance_by_which_a_step_misses() -> None:
    track = advance(begin(20, 30), shift(-2, 1), shift(2, 1))
    assert track.error[5:-5, 5:-5].mean().item() == pytest.approx(2.0)


def test_a_cut_is_told_alike_in_small_and_large_pictures() -> None:
    """What misses its start by 0.4 % of the width is no cut at any size; by 10 % it is one."""
    for width in (96, 192, 320, 640, 1280):
        still = torch.zeros(2, 24, width)
        for share, cut in ((0.004, False), (0.1, True)):
            missed = torch.zeros(2, 24, width)
            missed[0] = share * width
            assert is_cut(still, missed) is cut
