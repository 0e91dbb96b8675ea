"""DepthMix as one call, for training of one's own (Three Ways, CVPR 2021, section 3.3)."""

from typing import NamedTuple

import torch
from torch import Tensor

from vergence.errors import InputError
from vergence.mixing.masks import Threshold, depthmix_mask
from vergence.mixing.mix import mix


class DepthMixed(NamedTuple):
    """Images and what is known about them, mixed by one mask."""

    images: Tensor
    """(B, 3, H, W)."""
    labels: Tensor | None
    """As given."""
    mask: Tensor
    """(B, 1, H, W), 1 where a pixel is the image's own, 0 where it is its partner's."""


@torch.no_grad()
def depthmix(
    images: Tensor,
    disparity: Tensor,
    labels: Tensor | None = None,
    margin: float = 0.03,
    threshold: Threshold = 0.0,
    generator: torch.Generator | None = None,
) -> DepthMixed:
    """Mix each image with the next one of the batch so that what is nearer hides what is farther.

    Args:
        images: (B, 3, H, W), any type.
        disparity: (B, 1, H, W) or (B, H, W), larger = nearer, in any unit: it is min-max normalised for each image.
        labels: class ids (B, H, W) or probabilities (B, K, H, W), mixed by the same mask.
        margin: favours the own image on surfaces at one depth (the road), as a share of the normalised range.
        threshold: own pixels farther than this are given up; 0 for none, a range (low, high) to draw from for each
            image.
        generator: of these draws.

    Raises:
        InputError: shapes that do not belong together.

    Example:
        >>> disparity = torch.tensor([[[[9.0, 1.0]]], [[[1.0, 9.0]]]])
        >>> depthmix(torch.rand(2, 3, 1, 2), disparity, labels=torch.tensor([[[4, 4]], [[7, 7]]])).labels.tolist()
        [[[4, 7]], [[4, 7]]]
    """
    disparity = disparity[:, None] if disparity.ndim == 3 else disparity
    batch, size = images.shape[0], images.shape[-2:]
    if images.ndim != 4 or disparity.shape != (batch, 1, *size):
        raise InputError(
            f"depthmix: images have shape {tuple(images.shape)} and disparity {tuple(disparity.shape)}, expected "
            "(B, 3, H, W) and (B, 1, H, W)."
        )
    if labels is not None and (labels.ndim not in (3, 4) or labels.shape[0] != batch or labels.shape[-2:] != size):
        raise InputError(
            f"depthmix: labels have shape {tuple(labels.shape)}, expected (B, H, W) or (B, K, H, W) of the images' "
            f"size {tuple(size)}."
        )
    mask = depthmix_mask(normalised_disparity(disparity), margin, threshold, generator=generator)
    return DepthMixed(mix(images, mask), None if labels is None else mix(labels, mask), mask)


def normalised_disparity(disparity: Tensor) -> Tensor:
    """Each map of (B, 1, H, W) from 0 to 1 (three_ways 4.3, step 3), in float32 at least.

    Example:
        >>> normalised_disparity(torch.tensor([[[[2.0, 3.0, 6.0]]]])).tolist()
        [[[[0.0, 0.25, 1.0]]]]
    """
    disparity = disparity if disparity.dtype == torch.float64 else disparity.float()
    low, high = disparity.amin((1, 2, 3), keepdim=True), disparity.amax((1, 2, 3), keepdim=True)
    return (disparity - low) / (high - low).clamp(min=1e-12)
