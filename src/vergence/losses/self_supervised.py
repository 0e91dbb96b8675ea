"""The self-supervised depth loss: view synthesis, per-pixel minimum, auto-masking, smoothness, at several scales.

Source: Godard et al., "Digging into Self-Supervised Monocular Depth Estimation" (ICCV 2019), sections 3.1 and 3.2.
What does not depend on the depth (identity errors, statistics of the target, projection rays) is computed once for all
scales and all sources; every disparity is brought to full size before it becomes depth.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.camera import disparity_to_depth, resize_inverse_depth
from vergence.geometry.warp import projection_rays, resize_projection, sampling_grid, warp
from vergence.losses.photometric import automask, automasked_loss, minimum_error, photometric_error, target_statistics
from vergence.losses.smoothness import edge_aware_smoothness
from vergence.settings.losses import ViewLossOptions


class Views(NamedTuple):
    """One batch of target and source images, and all that is shared by the scales."""

    target: Tensor  # (B, 3, H, W) in [0, 1]
    sources: Tensor  # (B, S, 3, H, W)
    rays: Tensor  # (B, S, 3, H, W)
    offset: Tensor  # (B, S, 3, 1, 1)
    statistics: tuple[Tensor, Tensor] | None  # box means of the target, shared by every comparison with it
    identity_error: Tensor | None  # (B, 1, H, W); None without auto-masking
    available: Tensor | None  # (B, S) bool


class Synthesis(NamedTuple):
    """One disparity map seen through the views."""

    inverse_depth: Tensor  # (B, 1, H, W)
    warped: Tensor  # (B, S, 3, H, W)
    error: Tensor  # (B, 1, H, W) after reduction over the sources


def reduce_sources(errors: Tensor, available: Tensor | None, reduction: str) -> Tensor:
    """Errors (B, S, H, W) of all sources to one map (B, 1, H, W); unavailable sources never count.

    Infinite where a sample has none available.
    """
    if reduction == "min":
        return minimum_error(errors, available)
    if available is None:
        return errors.mean(dim=1, keepdim=True)
    weight = available[:, :, None, None].to(errors.dtype)
    count = weight.sum(dim=1, keepdim=True)
    mean = (errors * weight).sum(dim=1, keepdim=True) / count.clamp(min=1)
    return torch.where(count > 0, mean, torch.inf)


def prepare_views(
    target: Tensor,
    sources: Tensor,
    intrinsics: Tensor,
    source_intrinsics: Tensor,
    transforms: Tensor,
    options: ViewLossOptions,
    available: Tensor | None = None,
    noise: Tensor | None = None,
) -> Views:
    """Compute what all scales share.

    Args:
        target: (B, 3, H, W) in [0, 1], without colour augmentation.
        sources: (B, S, 3, H, W), likewise.
        intrinsics: (B, 3, 3) of the target, pixels.
        source_intrinsics: (B, S, 3, 3).
        transforms: (B, S, 4, 4), target camera to source camera, training units.
        available: (B, S) bool; sources that do not exist never count.
        noise: broadcastable to (B, S, H, W), added to the identity errors to break ties.
    """
    rays, offset = projection_rays(intrinsics, source_intrinsics, transforms, *target.shape[-2:])
    return _views(target, sources, rays, offset, options, available, noise)


def smaller_views(views: Views, size: tuple[int, int], options: ViewLossOptions) -> Views:
    """The same views (h, w) large, smaller than they are: images averaged, all that is shared made of these, without
    tie-breaking noise."""
    sources = shrink(views.sources.flatten(0, 1), size).unflatten(0, views.sources.shape[:2])
    rays, offset = resize_projection(views.rays, views.offset, size)
    return _views(shrink(views.target, size), sources, rays, offset, options, views.available)


def _views(
    target: Tensor,
    sources: Tensor,
    rays: Tensor,
    offset: Tensor,
    options: ViewLossOptions,
    available: Tensor | None,
    noise: Tensor | None = None,
) -> Views:
    statistics = target_statistics(target) if options.ssim_weight > 0 else None
    identity_error = None
    if options.automask:
        with torch.no_grad():
            errors = photometric_error(sources, target, options.ssim_weight, statistics)
            errors = errors if noise is None else errors + noise
            identity_error = reduce_sources(errors, available, options.reduction)
    return Views(target, sources, rays, offset, statistics, identity_error, available)


def synthesize(
    disparity: Tensor, views: Views, options: ViewLossOptions, source_weights: Tensor | None = None
) -> Synthesis:
    """See the target through one disparity map (B, 1, h, w), h x w of any size.

    ``source_weights`` (B, S, H, W) multiply the errors before reduction (the predictive mask of Zhou et al. 2017).
    """
    disparity = resize_inverse_depth(disparity, views.target.shape[-2:])
    inverse_depth, depth = disparity_to_depth(disparity, options.min_depth, options.max_depth)
    grid, _ = sampling_grid(depth, views.rays, views.offset)
    warped = warp(views.sources, grid, align_corners=options.align_corners)
    errors = photometric_error(warped, views.target, options.ssim_weight, views.statistics)
    if source_weights is not None:
        errors = errors * source_weights
    return Synthesis(inverse_depth, warped, reduce_sources(errors, views.available, options.reduction))


def self_supervised_loss(
    disparities: Mapping[int, Tensor],
    views: Views,
    options: ViewLossOptions,
    pyramid: Mapping[int, Tensor] | None = None,
    finest: Synthesis | None = None,
) -> tuple[dict[int, Tensor], dict[int, Tensor], Synthesis]:
    """Photometric and smoothness terms of every scale (their sum, averaged over the scales, is the loss).

    Args:
        disparities: scale -> (B, 1, H / 2^scale, W / 2^scale), sigmoid outputs.
        pyramid: scale -> target image at that size; averaged from the target where not given.
        finest: :func:`synthesize` of the finest scale, to share it.

    Returns:
        Photometric term by scale, weighted smoothness term by scale, and the synthesis at the finest scale.
    """
    photometric: dict[int, Tensor] = {}
    smoothness: dict[int, Tensor] = {}
    for index, scale in enumerate(sorted(disparities)):
        known = finest if index == 0 else None
        synthesis = known or synthesize(disparities[scale], views, options)
        finest = finest or synthesis
        photometric[scale] = automasked_loss(synthesis.error, views.identity_error, options.normalise)
        image = pyramid[scale] if pyramid is not None else shrink(views.target, disparities[scale].shape[-2:])
        smoothness[scale] = options.smoothness / 2**scale * edge_aware_smoothness(disparities[scale], image)
    if finest is None:
        raise ValueError("self_supervised_loss: no disparity was given, expected at least one scale")
    return photometric, smoothness, finest


def shrink(image: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Area-average an image (B, C, H, W) to a smaller size.

    Example:
        >>> shrink(torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]]), (1, 1)).item()
        3.0
    """
    height, width = size
    return image if image.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(image, (height, width))


def kept_pixels(synthesis: Synthesis, views: Views) -> Tensor:
    """(B, 1, H, W) bool: pixels that teach depth, i.e. have a source and are not auto-masked."""
    mask = torch.ones_like(synthesis.error, dtype=torch.bool)
    if views.identity_error is not None:
        mask = automask(synthesis.error, views.identity_error)
    if views.available is not None:
        mask = mask & views.available.any(dim=1)[:, None, None, None]
    return mask
