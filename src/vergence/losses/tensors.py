"""What losses on maps ask of their tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """At least float32: sums over classes and pixels are poor in less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def broadcasts_to(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a tensor of ``shape`` can take part in a product without changing the shape of the other."""
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(one in (1, other) for one, other in pairs)
