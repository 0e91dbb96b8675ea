"""Features of depth follow the borders of classes: the semantic triplet loss (FSRE-Depth, Jung et al., ICCV 2021)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.segmentation import IGNORED_LABEL
from vergence.losses.tensors import full_precision


def cosine_distance(cosine: Tensor) -> Tensor:
    """Distance sqrt(2 - 2 cos) of unit vectors, 0 to 2; its gradient is 0, not infinite, where they are equal.

    Example:
        >>> cosine_distance(torch.tensor([1.0, -1.0])).tolist()
        [0.0, 2.0]
    """
    square = (2 - 2 * cosine).clamp(min=0)
    equal = square < 1e-12
    return square.masked_fill(equal, 1.0).sqrt().masked_fill(equal, 0.0)


def semantic_triplet(features: Tensor, labels: Tensor, margin: float = 0.3, patch: int = 5, minimum: int = 4) -> Tensor:
    """Mean of max(0, d+ - d- + margin) over pixels near borders of classes (scalar; 0 if there are none).

    d+ and d- are the mean distances of a pixel's feature to those of its neighbours in the patch that carry its label
    and another one; pixels with fewer than ``minimum`` of either do not count.

    Args:
        features: (B, C, h, w).
        labels: (B, H, W) integers, 255 = ignored; sampled nearest at the size of the features.
        patch: side of the patch, odd.
    """
    if features.ndim != 4 or labels.ndim != 3 or len(features) != len(labels):
        raise ValueError(
            f"features and labels have shapes {tuple(features.shape)} and {tuple(labels.shape)}, "
            "expected (B, C, h, w) and (B, H, W)"
        )
    if patch < 3 or patch % 2 == 0:
        raise ValueError(f"patch is {patch}, expected an odd number of at least 3")
    height, width = features.shape[-2:]
    if labels.shape[-2:] != (height, width):
        labels = F.interpolate(labels[:, None].float(), size=(height, width), mode="nearest-exact")[:, 0].long()
    direction = F.normalize(full_precision(features), dim=1)
    known, reach = labels != IGNORED_LABEL, patch // 2
    sums, counts = direction.new_zeros(2, *labels.shape), direction.new_zeros(2, *labels.shape)
    pairs = [(dy, dx) for dy in range(reach + 1) for dx in range(-reach, reach + 1) if (dy, dx) > (0, 0)]
    for dy, dx in pairs:  # a pixel and its neighbour are as far from each other as either way
        if dy >= height or abs(dx) >= width:
            continue
        rows, columns = (0, height - dy), (max(-dx, 0), width - max(dx, 0))
        one = (..., slice(*rows), slice(*columns))
        other = (..., slice(dy, height), slice(max(dx, 0), width + min(dx, 0)))
        distance = cosine_distance((direction[one] * direction[other]).sum(dim=1))
        both, same = known[one] & known[other], labels[one] == labels[other]
        counted = torch.stack((both & same, both & ~same)).to(distance)
        sides = (columns[0], width - columns[1], 0, dy), (columns[0] + dx, width - columns[1] - dx, dy, 0)
        for side in sides:
            sums = sums + F.pad(counted * distance, side)
            counts = counts + F.pad(counted, side)
    chosen = (counts >= minimum).all(dim=0)
    near, far = sums / counts.clamp(min=1)
    loss = F.relu(near - far + margin) * chosen
    return loss.sum() / chosen.sum().clamp(min=1)


def semantic_triplet_loss(
    levels: Mapping[int, Tensor], labels: Tensor, weight: float = 0.1, margin: float = 0.3
) -> Tensor:
    """Sum over decoder levels of weight / 2^level times :func:`semantic_triplet` (semhint 2.2).

    Args:
        levels: features (B, C, h, w) by level, those of depth.
        labels: (B, H, W).
    """
    terms = [weight / 2**level * semantic_triplet(features, labels, margin) for level, features in levels.items()]
    if not terms:
        raise ValueError("semantic_triplet_loss: no features were given, expected at least one level")
    return torch.stack(terms).sum()
