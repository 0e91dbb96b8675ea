"""How hard a frame is: a student's depth against its teacher's (Three Ways, sections 5.2 and 5.4)."""

from typing import Literal, get_args

import torch
from torch import Tensor

DepthError = Literal["abs", "sq", "abs_rel", "sq_rel", "abs_log", "abs_inv", "abs_inv_log"]
FAR = 0.07
"""Teacher disparity below which a pixel is infinitely far, or moves as the camera does."""
DILATION = 7
"""Side of the square by which such pixels are widened."""
BOTTOM = 0.87
"""Share of rows above the camera's own car."""


def depth_difficulty(student: Tensor, teacher: Tensor, error: DepthError = "abs_log") -> Tensor:
    """Mean disagreement (B,) of two disparities (B, 1, H, W) over all pixels, where far pixels and the car count 0.

    Args:
        student: in (0, 1).
        teacher: min-max normalised over the image; near is large.
        error: "abs_log", the paper's |log(1 + s) - log(1 + t)|, or another of the official program's.
    """
    if student.shape != teacher.shape or student.ndim != 4 or student.shape[1] != 1:
        raise ValueError(
            f"disparities have shapes {tuple(student.shape)} and {tuple(teacher.shape)}, expected (B, 1, H, W)"
        )
    return (pixel_error(student, teacher, error) * counted_pixels(teacher)).mean((1, 2, 3))


def pixel_error(student: Tensor, teacher: Tensor, error: DepthError = "abs_log") -> Tensor:
    """Disagreement of each pixel; ValueError for an unknown ``error``."""
    if error in ("abs_inv", "abs_inv_log"):
        student, teacher = ((1 / x).clamp(0.1, 80.0) for x in (student, teacher))
    if error == "abs_inv_log":
        student, teacher = student.log(), teacher.log()
    if error == "abs_log":
        student, teacher = student.log1p(), teacher.log1p()
    difference = (student - teacher).abs()
    if error in ("abs", "abs_log", "abs_inv", "abs_inv_log"):
        return difference
    if error == "abs_rel":
        return difference / (teacher + 0.1)
    if error == "sq":
        return difference.square()
    if error == "sq_rel":
        return difference.square() / (teacher + 0.1)
    raise ValueError(f"error is {error!r}, expected one of {', '.join(get_args(DepthError))}")


def counted_pixels(teacher: Tensor) -> Tensor:
    """1 where a pixel counts, 0 where the teacher (B, 1, H, W) sees nothing, around that, and at the bottom."""
    far = (teacher < FAR).to(teacher.dtype)
    widened = torch.nn.functional.max_pool2d(far, DILATION, stride=1, padding=DILATION // 2)
    counted = 1 - widened
    counted[..., int(BOTTOM * teacher.shape[-2]) :, :] = 0
    return counted
