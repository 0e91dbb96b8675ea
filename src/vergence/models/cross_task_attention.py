"""Attention between two tasks at every pixel (FSRE-Depth, Jung et al., ICCV 2021; semhint 2.2)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class CrossTaskAttention(nn.Module):
    """One task asks, the other answers, each pixel by itself.

    ``heads`` queries of the asking task meet as many keys of the other; the softmax over the heads weighs the other's
    values, and a 3 x 3 convolution of own features and answer is added to the own ones. That convolution starts at
    zero: at first nothing is changed, whatever weights the decoders start from.

    Args:
        channels: of both tasks' features.
        heads: embeddings of a pixel.
        ratio: an embedding has ``channels`` / ``ratio`` channels.
    """

    def __init__(self, channels: int, heads: int = 4, ratio: int = 2) -> None:
        super().__init__()
        self.heads, self.width = heads, max(channels // ratio, 1)
        self.query = nn.Conv2d(channels, heads * self.width, 1)
        self.key = nn.Conv2d(channels, heads * self.width, 1)
        self.value = nn.Conv2d(channels, heads * self.width, 1)
        self.fuse = nn.Conv2d(channels + self.width, channels, 3, padding=1, padding_mode="reflect")
        nn.init.zeros_(self.fuse.weight)
        assert self.fuse.bias is not None
        nn.init.zeros_(self.fuse.bias)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Features (B, C, H, W) of both tasks to the own ones, refined."""
        split = (self.heads, self.width)
        query, key, value = (
            conv(x).unflatten(1, split) for conv, x in ((self.query, own), (self.key, other), (self.value, other))
        )
        weight = ((query * key).sum(dim=2, keepdim=True) / self.width**0.5).softmax(dim=1)
        return own + self.fuse(torch.cat((own, (weight * value).sum(dim=1)), dim=1))


class AttentionExchange(nn.Module):
    """Attention in both directions between two decoders after each of ``channels``' levels, the deepest first.

    Both go on from the refined features and predict from them.
    """

    replaces_level = True

    def __init__(self, channels: Mapping[int, int], heads: int = 4, ratio: int = 2) -> None:
        super().__init__()
        self.levels = tuple(sorted(channels, reverse=True))
        self.from_depth, self.from_segmentation = (
            nn.ModuleDict({str(level): CrossTaskAttention(channels[level], heads, ratio) for level in self.levels})
            for _ in range(2)
        )

    def to_segmentation(self, level: int, own: Tensor, other: Tensor) -> Tensor:
        """The segmentation decoder's features after a look at those of the depth decoder."""
        return self.from_depth[str(level)](own, other)

    def to_depth(self, level: int, own: Tensor, other: Tensor) -> Tensor:
        """The depth decoder's features after a look at those of the segmentation decoder."""
        return self.from_segmentation[str(level)](own, other)
