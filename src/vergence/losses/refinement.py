"""Labels made better by depth: a vote of neighbouring views, then smoothing along depth and colour (SemHint-MD; 2.8).

Label noise differs from view to view while geometry does not, so most of the gain is the vote. No gradient.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.blocks import cache_blocks
from vergence.geometry.warp import sampling_grid, warp
from vergence.losses.photometric import photometric_error
from vergence.losses.segmentation import IGNORED_LABEL
from vergence.losses.self_supervised import Views, shrink
from vergence.settings.losses import RefinementConfig, ViewLossOptions


class Refined(NamedTuple):
    """Labels to learn from."""

    label: Tensor  # (B, H, W) int64, 255 where the noisy one was ignored
    weight: Tensor  # (B, H, W) in [0, 1], 0 there


@torch.no_grad()
def refine_labels(
    noisy: Tensor,
    probabilities: Tensor | None,
    source_labels: Tensor,
    views: Views,
    inverse_depth: Tensor,
    config: RefinementConfig,
    beta: float | None = None,
    options: ViewLossOptions | None = None,
    classes: int | None = None,
) -> Refined:
    """Refine the noisy labels of the target.

    Args:
        noisy: (B, H, W) integers, 255 = ignored; stays so.
        probabilities: (B, K, h, w) of the teacher at the target, resized where needed; None: labels alone.
        source_labels: (B, S, H, W), noisy too, in the order of the views' sources; 255 has no vote.
        views: images and geometry, B and S as above.
        inverse_depth: (B, 1, h, w) of the target, 1 / training unit; resized where needed.
        beta: share of ``probabilities`` now (it is ramped), in place of the config's.
        options: of the photometric error that the vote is weighed with.
        classes: K where ``probabilities`` do not tell it; else one more than the largest label.

    Returns:
        The likeliest class of every pixel and its share of the evidence.
    """
    size = noisy.shape[-2:]
    if (
        noisy.ndim != 3
        or source_labels.ndim != 4
        or source_labels.shape[-2:] != size
        or views.target.shape[-2:] != size
    ):
        raise ValueError(
            f"noisy, source_labels and views have shapes {tuple(noisy.shape)}, {tuple(source_labels.shape)} and "
            f"{tuple(views.target.shape)}, expected (B, H, W), (B, S, H, W) and (B, 3, H, W)"
        )
    if source_labels.shape[1] != views.sources.shape[1]:
        raise ValueError(f"source_labels of {source_labels.shape[1]} sources, expected {views.sources.shape[1]}")
    if config.window < 1 or config.window % 2 == 0 or config.dilation < 1:
        raise ValueError(f"window={config.window} must be odd and dilation={config.dilation} at least 1")
    noisy, source_labels = noisy.long(), source_labels.long()
    if probabilities is not None:
        classes = probabilities.shape[1]
    elif classes is None:
        classes = _largest(noisy, source_labels) + 1
    inverse_depth = _resized(inverse_depth.float(), size).clamp(min=1e-6)
    known = noisy < classes
    evidence = _one_hot(noisy, classes)
    if probabilities is not None:
        share = config.beta if beta is None else beta
        evidence.lerp_(_resized(probabilities.float(), size), share).mul_(known[:, None])
    if source_labels.shape[1]:
        _vote(evidence, known, source_labels, views, inverse_depth, config.pe_scale, options or ViewLossOptions())
    if config.window > 1:
        evidence = _smooth(evidence, known, views.target.float(), inverse_depth, config)
    weight, label = evidence.max(dim=1)
    trusted = weight >= config.fallback
    label = torch.where(trusted, label, noisy).masked_fill_(~known, IGNORED_LABEL)
    weight = torch.where(trusted, weight.clamp(max=1), weight.new_full((), config.fallback))
    return Refined(label, weight.masked_fill_(~known, 0))


def _resized(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _largest(*labels: Tensor) -> int:
    """The largest label that is not ignored, 0 if there is none."""
    return max(int(part.masked_fill(part == IGNORED_LABEL, 0).max()) if part.numel() else 0 for part in labels)


def _one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, K, H, W), zeros where there is no class."""
    known = labels < classes
    index = labels.masked_fill(~known, 0)[:, None]
    zeros = torch.zeros(labels.shape[0], classes, *labels.shape[1:], device=labels.device)
    return zeros.scatter_(1, index, known[:, None].to(zeros.dtype))


def _vote(
    evidence: Tensor,
    known: Tensor,
    labels: Tensor,
    views: Views,
    inverse_depth: Tensor,
    pe_scale: float,
    options: ViewLossOptions,
) -> None:
    """Mix what the sources (B, S, H, W) say into the evidence (B, K, H, W), in place, where the label is known.

    It sums to 1 there, before and after.
    """
    grid, inside = sampling_grid(inverse_depth.reciprocal(), views.rays, views.offset)
    warped = warp(views.sources, grid, options.align_corners)
    error = photometric_error(warped, views.target, options.ssim_weight, views.statistics)
    seen = inside[:, :, 0] & known[:, None]
    if views.available is not None:
        seen &= views.available[:, :, None, None]
    vote = torch.where(seen, error.float().div(-pe_scale).exp(), 0).nan_to_num_()
    classes, (height, width) = evidence.shape[1], labels.shape[-2:]
    x = grid[..., 0].nan_to_num().add(1).mul_((width - 1) / 2).clamp_(0, width - 1)
    y = grid[..., 1].nan_to_num().add(1).mul_((height - 1) / 2).clamp_(0, height - 1)
    left, top = x.floor(), y.floor()
    x, y = x - left, y - top
    total = known[:, None].to(evidence)
    flat = labels.flatten(2)
    # four corners of a pixel instead of K maps: labels are sampled bilinearly without ever being one-hot
    for down in (0, 1):
        for right in (0, 1):
            row, column = (top + down).clamp_(max=height - 1), (left + right).clamp_(max=width - 1)
            corner = flat.gather(2, (row * width + column).long().flatten(2)).view(labels.shape)
            share = (x if right else 1 - x) * (y if down else 1 - y) * vote * (corner < classes)
            corner = corner.masked_fill_(corner >= classes, 0)
            for source in range(labels.shape[1]):  # one target a call: sums do not depend on the order of threads
                evidence.scatter_add_(1, corner[:, source : source + 1], share[:, source : source + 1])
            total += share.sum(dim=1, keepdim=True)
    evidence.div_(total.clamp_(min=1e-7))


def _smooth(evidence: Tensor, known: Tensor, image: Tensor, inverse_depth: Tensor, config: RefinementConfig) -> Tensor:
    """Mean over neighbours of like depth and colour, at half the size; pixels without a label do not count.

    A pixel and its neighbour weigh each other alike: every weight is computed once and used twice.
    """
    size = evidence.shape[-2:]
    half = (-(-size[0] // 2), -(-size[1] // 2))
    # the mass of evidence rides along as one more class
    small = shrink(torch.cat((evidence, known[:, None].to(evidence)), dim=1), half)
    guide = torch.cat(
        (
            shrink(inverse_depth, half).log_().div_(config.depth_scale),
            shrink(image, half).div(image.shape[1] * config.colour_scale),
        ),
        dim=1,
    )
    total, reach = small.clone(), config.window // 2
    pairs = [(dy, dx) for dy in range(reach + 1) for dx in range(-reach, reach + 1) if (dy, dx) > (0, 0)]
    for block in cache_blocks(small):
        maps, guides, sums = small[block], guide[block], total[block]
        for dy, dx in pairs:
            down, right = dy * config.dilation, dx * config.dilation
            if down >= half[0] or abs(right) >= half[1]:
                continue
            one = (..., slice(0, half[0] - down), slice(max(-right, 0), half[1] - max(right, 0)))
            other = (..., slice(down, half[0]), slice(max(right, 0), half[1] + min(right, 0)))
            distance = (guides[one] - guides[other]).abs_().sum(dim=1, keepdim=True)
            weight = distance.add_((dy * dy + dx * dx) / (2 * config.sigma**2)).neg_().exp_()
            sums[one].addcmul_(weight, maps[other])
            sums[other].addcmul_(weight, maps[one])
    total = total[:, :-1].div_(total[:, -1:].clamp(min=1e-7))
    return F.interpolate(total, size=size, mode="bilinear", align_corners=False)
