"""Balance of tasks where they part: the identity, whose gradient is multiplied by a factor (SGDepth; semhint 2.2)."""

from typing import Any, cast

import torch
from torch import Tensor


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x, bit for bit; what comes back through it is multiplied by ``factor``. 1 leaves no trace in the graph."""
    return x if factor == 1 else cast(Tensor, _Scaled.apply(x, factor))
