"""Which hints of depth the images confirm (SemHint-MD; after Depth Hints and The Edge of Depth, specification 2.7).

With several candidates the least of several noisy errors is biased low; errors are therefore averaged over neighbours
of the same class, and a candidate has to win by a margin.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vergence.geometry.blocks import cache_blocks
from vergence.geometry.components import IGNORED
from vergence.geometry.warp import sampling_grid, warp
from vergence.losses.hint_proposals import FAMILIES, is_class
from vergence.losses.photometric import photometric_error
from vergence.losses.self_supervised import Views
from vergence.settings.losses import VerificationConfig, ViewLossOptions

TOGETHER = 2**26
"""Numbers of warped sources, at most, that a GPU holds for several candidates: 256 MB."""


class Verified(NamedTuple):
    """The best candidate of every pixel, and whether it is believed."""

    mask: Tensor  # (B, 1, H, W) bool
    best: Tensor  # (B, 1, H, W) int64
    gain: Tensor  # (B, 1, H, W) E_now - E_best, at most ``cap``; negative where the candidates are worse


@torch.no_grad()
def candidate_errors(
    inverse_depth: Tensor, views: Views, options: ViewLossOptions, allowed: Tensor | None = None
) -> Tensor:
    """Photometric error (B, N, H, W) of candidates: least over the sources that see the pixel, infinite if none does.

    Args:
        inverse_depth: (B, N, H, W), 1 / training unit; cut to the range of ``options``.
        views: at the size of the candidates.
        allowed: (B, S, H, W) bool, sources that may judge the pixel (:func:`judging_sources`); all if None.
    """
    if inverse_depth.dim() != 4 or inverse_depth.shape[-2:] != views.target.shape[-2:]:
        raise ValueError(
            f"candidates have shape {tuple(inverse_depth.shape)}, expected (B, N, H, W) at the size of the views "
            f"{tuple(views.target.shape[-2:])}"
        )
    depth = inverse_depth.float().clamp(1 / options.max_depth, 1 / options.min_depth).reciprocal_()
    judges = allowed
    if views.available is not None:
        available = views.available[:, :, None, None]
        judges = available if judges is None else judges & available
    errors, sources = torch.empty_like(depth), views.sources.shape[1]
    for part, result in zip(*(x.split(_together(views.sources), dim=1) for x in (depth, errors)), strict=True):
        count = part.shape[1]
        rays, offset, images = (_repeated(x, count) for x in (views.rays, views.offset, views.sources))
        grid, inside = sampling_grid(part.flatten(0, 1)[:, None], rays, offset)
        warped = warp(images, grid, options.align_corners).view(len(part), count * sources, *images.shape[2:])
        error = photometric_error(warped, views.target, options.ssim_weight, views.statistics)
        seen = inside.view(len(part), count, sources, *part.shape[2:])
        if judges is not None:
            seen = seen & judges[:, None]
        result.copy_(error.view(seen.shape).masked_fill_(~seen, torch.inf).amin(dim=2))
    return errors


def _together(sources: Tensor) -> int:
    """Candidates looked at together: one on a CPU, where memory that is used again is faster than new memory; on a GPU
    as many as bounded memory lets, to launch less."""
    return 1 if sources.device.type == "cpu" else max(1, TOGETHER // sources.numel())


def _repeated(x: Tensor, count: int) -> Tensor:
    """(B, ...) to (B count, ...), each entry so many times in turn; a view of it where that is once."""
    return x[:, None].expand(-1, count, *x.shape[1:]).flatten(0, 1)


def judging_sources(labels: Tensor, dynamic: Sequence[int], stereo: Sequence[bool]) -> Tensor | None:
    """Sources (B, S, H, W) bool that may judge each pixel of labels (B, H, W): of things that move by themselves
    (``dynamic`` classes) only those taken at the same moment (``stereo``, one flag a source). None: all may.

    What moves with the camera looks best at infinity; a temporal source would confirm it.
    """
    if not dynamic or all(stereo):
        return None
    moving = is_class(labels, dynamic)
    return torch.stack([torch.ones_like(moving) if same_moment else ~moving for same_moment in stereo], dim=1)


def aggregate(error: Tensor, labels: Tensor, window: int = 5, cap: float = 1.5) -> Tensor:
    """Mean of min(error, cap) over the neighbours in the window that carry the pixel's label.

    error (B, N, H, W), labels (B, H, W) integers, window odd.

    Example:
        >>> aggregate(torch.tensor([[[[0.0, 1.0, 9.0]]]]), torch.tensor([[[3, 3, 4]]]), window=3).tolist()
        [[[[0.5, 0.5, 1.5]]]]
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window is {window}, expected an odd number")
    if error.dim() != 4 or labels.shape != (error.shape[0], *error.shape[2:]):
        raise ValueError(
            f"error has shape {tuple(error.shape)}, labels {tuple(labels.shape)}; expected (B, N, H, W) and (B, H, W)"
        )
    capped = error.clamp(max=cap)
    if window == 1:
        return capped
    reach, (height, width) = window // 2, error.shape[-2:]
    total, count = capped.clone(), torch.ones_like(capped[:, :1])
    pairs = [(dy, dx) for dy in range(reach + 1) for dx in range(-reach, reach + 1) if (dy, dx) > (0, 0)]
    for block in cache_blocks(error):
        value, label, sums, number = capped[block], labels[block, None], total[block], count[block]
        for dy, dx in pairs:  # a pixel and its neighbour give to each other
            if dy >= height or abs(dx) >= width:
                continue
            one = (..., slice(0, height - dy), slice(max(-dx, 0), width - max(dx, 0)))
            other = (..., slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
            same = (label[one] == label[other]).to(value.dtype)
            sums[one].addcmul_(same, value[other])
            sums[other].addcmul_(same, value[one])
            number[one].add_(same)
            number[other].add_(same)
    return total.div_(count)


@torch.no_grad()
def verify(
    errors: Tensor,
    error_now: Tensor,
    identity: Tensor | None,
    labels: Tensor,
    confidence: Tensor | None,
    config: VerificationConfig,
    valid: Tensor | None = None,
) -> Verified:
    """Accept the best candidate where it beats the present depth by a margin, and the un-warped source.

    Args:
        errors: (B, N, H, W) of candidates, infinite where no source sees them.
        error_now: (B, 1, H, W) of the network's present depth.
        identity: (B, 1, H, W) of un-warped sources (auto-masking), or None.
        labels: (B, H, W) integers; no hint where 255.
        confidence: (B, H, W) of the labels, or None.
        valid: (B, N, H, W) bool, pixels where the candidate may be chosen, or None for all. Where it may not, its
            error still counts for its neighbours: a candidate is a whole depth map, the present one where it suggests
            nothing, and the rim of a wrong patch has neighbours that are right already.
    """
    if error_now.shape != (errors.shape[0], 1, *errors.shape[2:]):
        raise ValueError(
            f"errors have shape {tuple(errors.shape)}, error_now {tuple(error_now.shape)}; expected (B, N, H, W) and "
            "(B, 1, H, W)"
        )
    stacked = [errors, error_now] if identity is None else [errors, error_now, identity]
    costs = aggregate(torch.cat([part.detach().float() for part in stacked], dim=1), labels, config.window, config.cap)
    number = errors.shape[1]
    refused = errors.isinf() if valid is None else errors.isinf() | ~valid
    candidates = costs[:, :number].masked_fill_(refused, torch.inf)
    cost, best = candidates.min(dim=1, keepdim=True)
    now = costs[:, number : number + 1]
    mask = (cost < (1 - config.kappa) * now - config.floor) & (labels != IGNORED)[:, None]
    if identity is not None:
        mask &= cost < costs[:, number + 1 :]
    if confidence is not None:
        mask &= confidence[:, None] >= config.confidence
    return Verified(mask, best, now - cost.clamp(max=config.cap))


def spare_hints(identity: Tensor | None, mask: Tensor) -> Tensor | None:
    """Errors (B, 1, H, W) of un-warped sources, infinite where a hint is: auto-masking keeps these pixels (2.7)."""
    return None if identity is None else identity.masked_fill(mask, torch.inf)


@torch.no_grad()
def hint_statistics(verified: Verified, labels: Tensor, family: Tensor, classes: int = 0) -> dict[str, Tensor]:
    """Scalars to log, all on the device: ``accepted`` (share of pixels), ``gain`` (mean where accepted), share of the
    accepted won by each family present (``won_NAME``), and for K below ``classes`` ``accepted_class_K`` (NaN where the
    batch has no pixel of it) and ``gain_class_K`` (mean where accepted, NaN where none is).
    """
    mask = verified.mask[:, 0]
    number = mask.sum().clamp(min=1)
    result = {
        "accepted": mask.float().mean(),
        "gain": torch.where(mask, verified.gain[:, 0], 0).sum() / number,
    }
    winner = family[verified.best[:, 0]]
    families = torch.arange(len(FAMILIES), device=mask.device)[:, None, None, None]
    won = (mask & (winner == families)).sum((1, 2, 3)) / number
    result |= {f"won_{name}": share for name, share in zip(FAMILIES, won.unbind(), strict=True)}
    if classes:
        slot = labels.long().clamp(max=classes).flatten()
        counted = mask.flatten().to(verified.gain.dtype)
        values = torch.stack([torch.ones_like(counted), counted, counted * verified.gain.flatten()])
        total, accepted, gain = values.new_zeros(3, classes + 1).scatter_add_(1, slot.expand(3, -1), values)
        for kind, values in (("accepted", accepted / total), ("gain", gain / accepted)):
            result |= {f"{kind}_class_{index}": value for index, value in enumerate(values[:classes].unbind())}
    return result
