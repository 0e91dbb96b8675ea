"""Colours of a whole batch in few operations, for devices that wait for launches more than they compute."""

from collections.abc import Callable

import torch
from torch import Tensor

from vergence.data.imaging.transforms import NEUTRAL
from vergence.mixing.augment import turn_hue

GREY = (0.2989, 0.587, 0.114)


def apply_jitters(frames: Tensor, draws: Tensor) -> Tensor:
    """Change the colours of frames (B, F, 3, H, W), float in [0, 1], by a draw for each sample, draws (B, 8).

    What :func:`~vergence.data.imaging.transforms.apply_jitter` does sample by sample, equal within rounding: at each of
    the four places of the order, the samples that have one change there are changed together. ``draws`` lie on the CPU,
    so that the device need not be waited for.
    """
    if len(frames) != len(draws) or frames.ndim != 5:
        raise ValueError(f"frames have shape {tuple(frames.shape)} and draws {tuple(draws.shape)}, expected one B")
    factors, order = draws[:, :4].tolist(), draws[:, 4:].tolist()
    every = draws[:, :4].to(frames.device, frames.dtype, non_blocking=True)[..., None, None, None, None]
    changed = frames.clone()
    for turn in range(4):
        for kind, change in enumerate(_CHANGES):
            rows = [
                row for row in range(len(draws)) if order[row][turn] == kind and factors[row][kind] != NEUTRAL[kind]
            ]
            if not rows:
                continue
            if rows == list(range(rows[0], rows[0] + len(rows))):  # a view, and nothing to hand over
                part = slice(rows[0], rows[0] + len(rows))
                changed[part] = change(changed[part], every[part, kind])
            else:
                index = torch.tensor(rows).to(frames.device, non_blocking=True)
                these, by = changed.index_select(0, index), every[:, kind].index_select(0, index)
                changed.index_copy_(0, index, change(these, by))
    return changed


def _brightness(frames: Tensor, factor: Tensor) -> Tensor:
    return (frames * factor).clamp_(0, 1)


def _grey(frames: Tensor) -> Tensor:
    red, green, blue = frames.split(1, dim=2)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def _contrast(frames: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(_grey(frames).mean((2, 3, 4), keepdim=True), frames, factor).clamp_(0, 1)


def _saturation(frames: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(_grey(frames), frames, factor).clamp_(0, 1)


def _hue(frames: Tensor, factor: Tensor) -> Tensor:
    by = factor.expand(-1, frames.shape[1], -1, -1, -1).flatten(0, 1)
    return turn_hue(frames.flatten(0, 1), by).unflatten(0, frames.shape[:2])


_CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (_brightness, _contrast, _saturation, _hue)
"""By their numbers in a draw's order."""
