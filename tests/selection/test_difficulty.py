"""Difficulty of frames: golden fact 24, masks, the form of every error, bad input."""

import math

import pytest
import torch

from vergence.selection.difficulty import counted_pixels, depth_difficulty, pixel_error


def test_golden_fact_24() -> None:
    one = torch.full((1, 1, 1, 1), 0.5)
    assert float(pixel_error(one, torch.full_like(one, 0.2))) == pytest.approx(0.223144, abs=1e-6)
    counted = counted_pixels(torch.full((1, 1, 512, 8), 0.5))
    assert counted[0, 0, :, 0].nonzero().max() == 444
    teacher = torch.full((1, 1, 40, 40), 0.5)
    teacher[0, 0, 15, 15] = 0.0699
    assert int((counted_pixels(teacher)[..., : int(0.87 * 40), :] == 0).sum()) == 49


def test_the_mean_is_over_all_pixels() -> None:
    teacher, student = torch.full((2, 1, 100, 10), 0.2), torch.full((2, 1, 100, 10), 0.5)
    student[1] = 0.2
    difficulty = depth_difficulty(student, teacher)
    assert difficulty.tolist() == pytest.approx([0.87 * math.log(1.5 / 1.2), 0], abs=1e-6)


def test_far_frames_are_not_difficult() -> None:
    assert float(depth_difficulty(torch.rand(1, 1, 20, 20), torch.zeros(1, 1, 20, 20))) == 0


@pytest.mark.parametrize(
    ("error", "value"),
    [
        ("abs", 0.3),
        ("sq", 0.09),
        ("abs_rel", 0.3 / 0.3),
        ("sq_rel", 0.09 / 0.3),
        ("abs_inv", 3.0),
        ("abs_inv_log", math.log(5 / 2)),
    ],
)
def test_forms(error, value: float) -> None:
    student, teacher = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.2)
    assert float(pixel_error(student, teacher, error)) == pytest.approx(value, rel=1e-5)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, 1, H, W\)"):
        depth_difficulty(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
    with pytest.raises(ValueError, match="'rel', expected one of abs, sq"):
        pixel_error(torch.zeros(1), torch.zeros(1), "rel")
