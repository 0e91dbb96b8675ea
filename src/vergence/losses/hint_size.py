"""Hints looked for in smaller frames: what is handed to the search, and how its hints come back to full size."""

import torch
from torch import Tensor

from vergence.geometry.camera import resize_inverse_depth

ONE_SURFACE = 0.1
"""Neighbours are of one surface where inverse depth between them differs by less than this share from the nearest."""


def thinned(x: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel (..., H // step, W // step), of the middle of each block: for labels and what is sparse.

    Example:
        >>> thinned(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), 2).tolist()
        [[6, 8]]
    """
    height, width = (size // step for size in x.shape[-2:])
    return x[..., step // 2 :: step, step // 2 :: step][..., :height, :width]


def enlarged_hints(inverse_depth: Tensor, mask: Tensor, small_labels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Hints at the size of the labels: smooth on a surface, sharp at its edge, and only where the label is the same.

    Args:
        inverse_depth: (B, 1, h, w), positive.
        mask: (B, 1, h, w) bool, where a hint is.
        small_labels: (B, h, w) integers that the hints were looked for with.
        labels: (B, H, W) integers.

    Returns:
        Inverse depth (B, 1, H, W) and mask (B, 1, H, W) bool.
    """
    size = labels.shape[-2:]
    rows, columns = (
        (torch.arange(full, device=mask.device) * part).div(full, rounding_mode="floor")
        for full, part in zip(size, mask.shape[-2:], strict=True)
    )

    def nearest(x: Tensor) -> Tensor:
        return x.index_select(-2, rows).index_select(-1, columns)

    sharp, smooth = nearest(inverse_depth), resize_inverse_depth(inverse_depth, size)
    one_surface = (smooth - sharp).abs() < ONE_SURFACE * sharp
    return torch.where(one_surface, smooth, sharp), nearest(mask) & (nearest(small_labels) == labels)[:, None]
