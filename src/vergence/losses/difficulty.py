"""How hard a pixel is to adapt to, from two depth decoders that disagree (CorDA, section 4)."""

from typing import get_args

import torch
from torch import Tensor

from vergence.losses.tensors import full_precision
from vergence.settings.losses import DifficultyMode

MODES: tuple[DifficultyMode, ...] = get_args(DifficultyMode)

INVALID = 1.0
"""Depth supervision of pixels without depth: exactly the inverse depth of what is infinitely far."""
_FLOOR = 1e-3


def adaptation_difficulty(source_depth: Tensor, target_depth: Tensor, supervision: Tensor) -> Tensor:
    """Weight of pixels by adaptation difficulty: 1 where the two decoders agree, 0.001 where they differ by all of it.

    clip(relu(1 - |source - target| / supervision) + 0.001 + [supervision == 1], 0, 1). The lower, the harder.

    Args:
        source_depth: (B, 1, H, W), what the source's depth decoder predicts of the mixed images; inverse depth in the
            unit of the supervision, any real number.
        target_depth: the same of the target's decoder.
        supervision: (B, 1, H, W) inverse depth, 1 or more (larger = nearer); exactly 1 where it is not known, which
            leaves the pixel its full weight.

    Returns:
        (B, 1, H, W) in [0.001, 1], at least float32, without gradient.

    Example:
        >>> maps = (torch.tensor([[[[value, value]]]]) for value in (4.0, 2.0))
        >>> adaptation_difficulty(*maps, torch.tensor([[[[4.0, 1.0]]]])).flatten()
        tensor([0.5010, 1.0000])
    """
    shapes = {tuple(x.shape) for x in (source_depth, target_depth, supervision)}
    if len(shapes) > 1 or supervision.ndim != 4 or supervision.shape[1] != 1:
        raise ValueError(
            f"depths have shapes {tuple(source_depth.shape)} and {tuple(target_depth.shape)}, their supervision "
            f"{tuple(supervision.shape)}, expected (B, 1, H, W) of all"
        )
    ours, theirs, known = (full_precision(x.detach()) for x in (source_depth, target_depth, supervision))
    agreement = (1 - (ours - theirs).abs() / known).relu() + _FLOOR
    return torch.where(known == INVALID, torch.ones_like(agreement), agreement.clamp(max=1))


def pixel_weights(confidence_weight: Tensor, difficulty: Tensor, mode: DifficultyMode = "per_image") -> Tensor:
    """Weights of pixels from confidence and difficulty, the latter divided by its mean over the whole batch.

    Args:
        confidence_weight: (B, H, W).
        difficulty: (B, 1, H, W) of :func:`adaptation_difficulty`.
        mode: "per_image", each image by its own difficulty; "batch_mean", each by the mean of the batch's maps, which
            is what the released program optimises; "off", confidence alone.

    Returns:
        (B, H, W).

    >>> pixel_weights(torch.ones(1, 1, 2), torch.tensor([[[[0.5, 1.5]]]]))
    tensor([[[0.5000, 1.5000]]])
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    batch, *size = confidence_weight.shape
    if confidence_weight.ndim != 3 or difficulty.shape != (batch, 1, *size):
        raise ValueError(
            f"confidence_weight and difficulty have shapes {tuple(confidence_weight.shape)} and "
            f"{tuple(difficulty.shape)}, expected (B, H, W) and (B, 1, H, W)"
        )
    if mode == "off":
        return confidence_weight
    relative = difficulty[:, 0] / difficulty.mean()
    return confidence_weight * (relative if mode == "per_image" else relative.mean(dim=0))
