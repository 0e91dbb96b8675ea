"""All distances between few images as one matrix: the published definition, which the selection is held against."""

import torch
from torch import Tensor


def standardise(features: Tensor) -> Tensor:
    """Maps (N, C, h, w) with mean 0 and unbiased standard deviation 1 of each channel over images and positions."""
    mean = features.mean((0, 2, 3), keepdim=True)
    deviation = features.std((0, 2, 3), keepdim=True)
    return torch.where(deviation > 0, (features - mean) / deviation.clamp(min=1e-30), torch.zeros_like(features))


def distance_matrix(
    features: Tensor, normalize: bool = True, p: float = 2, patch_wise: bool = False, bias: Tensor | None = None
) -> Tensor:
    """All distances (N, N) between images with pooled features (N, C, h, w); entry [i, j] leads from i to candidate j.

    For few images: ``FeatureSpace`` needs no matrix.

    Args:
        normalize: standardise channels first.
        p: of the norm.
        patch_wise: mean over the positions of i of the distance to the nearest position of j.
        bias: (N,), added to column j (section 5.3), but not to the diagonal, which is 0.
    """
    points = standardise(features) if normalize else features
    if patch_wise:
        patches = points.flatten(2).transpose(1, 2)
        matrix = torch.stack([torch.cdist(one[None], patches, p=p).amin(2).mean(1) for one in patches])
    else:
        rows = points.flatten(1)
        matrix = torch.cdist(rows, rows, p=p, compute_mode="donot_use_mm_for_euclid_dist")
    if bias is not None:
        matrix = matrix + bias
    return matrix.fill_diagonal_(0)


class DistanceMatrix:
    """Distances that are known, (N, N); entry [i, j] leads from i to candidate j."""

    slack = 0.0

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix.double()

    def __len__(self) -> int:
        return len(self.matrix)

    def squared(self, others: Tensor, rows: Tensor | None = None) -> Tensor:
        every = torch.arange(len(self)) if rows is None else rows
        return self.between(every, others).amin(1).square()

    def gather(self, rows: Tensor) -> Tensor:
        return rows

    def between(self, points: Tensor, others: Tensor) -> Tensor:
        return self.matrix[others][:, points].T
