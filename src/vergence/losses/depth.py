"""Losses on depth features."""

import torch
from torch import Tensor


def feature_distance(features: Tensor, reference: Tensor) -> Tensor:
    """One Euclidean norm over the whole tensor (Three Ways, equation 4; not a mean, so it grows with batch and size).

    features and reference: same shape, usually (B, C, h, w) bottleneck maps; the reference gets no gradient. Its
    gradient at equality is 0.
    """
    if features.shape != reference.shape:
        raise ValueError(f"features have shape {tuple(features.shape)}, reference {tuple(reference.shape)}")
    dtype = torch.promote_types(features.dtype, torch.float32)
    return torch.linalg.vector_norm(features.to(dtype) - reference.detach().to(dtype))
