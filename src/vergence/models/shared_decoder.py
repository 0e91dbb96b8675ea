"""Decoder blocks that two tasks share, and the walk of each task through its own (semhint 2.2)."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from vergence.models.decoders import BLOCKS, LEVELS, DepthDecoder
from vergence.models.deeplab import DeepLabDecoder


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


def share_blocks(segmentation: DepthDecoder, depth: DepthDecoder, blocks: int) -> DepthDecoder:
    """Move the first ``blocks`` blocks (deepest first) out of both decoders into a trunk, which starts as the former's.

    The trunk is a decoder without heads; none of the three has a block that it does not run.
    """
    trunk = copy.deepcopy(segmentation)
    _keep(trunk, range(blocks))
    for decoder in (segmentation, depth):
        _keep(decoder, range(blocks, BLOCKS))
    return trunk


def _keep(decoder: DepthDecoder, blocks: range) -> None:
    for block in range(BLOCKS):
        level = str(LEVELS - 1 - block // 2)
        for modules in (decoder.first,) if block % 2 == 0 else (decoder.second, decoder.project):
            if block not in blocks and level in modules:
                del modules[level]


def shared_parameters(trunk: DepthDecoder | None, depth: DepthDecoder) -> tuple[int, int]:
    """Parameters of the trunk, and of all blocks (heads left out) that depth runs through: trunk and its own."""
    shared = _count(trunk) if trunk is not None else 0
    return shared, shared + _count(depth) - _count(depth.heads)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class TaskWalk:
    """One task on the way through its decoder.

    What it takes from the shared part (``x``, ``ups`` and ``features``) is behind its gradient scale.

    Attributes:
        x: output of the last block.
        ups: levels finished so far, those of the trunk included.
    """

    def __init__(
        self,
        decoder: DepthDecoder | DeepLabDecoder,
        x: Tensor,
        ups: Mapping[int, Tensor],
        features: Sequence[Tensor],
        size: tuple[int, int],
        start: int = 0,
        factor: float = 1.0,
    ) -> None:
        self.decoder, self.size, self.block = decoder, size, start
        self.x = scale_gradient(x, factor)
        self.ups = {level: scale_gradient(up, factor) for level, up in ups.items()}
        self.features = [scale_gradient(feature, factor) for feature in features]

    def to(self, block: int = BLOCKS) -> None:
        """Run up to ``block`` - 1."""
        if isinstance(self.decoder, DeepLabDecoder):
            self.x, disparities = self.decoder.walk(self.x, self.features, self.size)
        else:
            self.x, disparities = self.decoder.walk(self.x, self.features, self.size, self.block, block)
        self.block = block
        self.ups |= disparities
