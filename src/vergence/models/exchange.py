"""Exchange of features between two tasks, gated by attention (PAD-Net, Xu et al., CVPR 2018; Three Ways, 3.2)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class GatedMessage(nn.Module):
    """What one task tells the other: conv(x) * sigmoid(attention(x)), both 3 x 3 without bias.

    The attention starts at zero: at first the gate is one half everywhere.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.attention = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.attention.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * torch.sigmoid(self.attention(x))


class PADExchange(nn.Module):
    """A message in each direction between two decoders at ``level``; either is added to the receiver's features.

    Both go on from the sum; what is predicted from the level itself is so before the exchange.
    """

    replaces_level = False

    def __init__(self, channels: int, level: int) -> None:
        super().__init__()
        self.level = level
        self.levels = (level,)
        self.from_depth, self.from_segmentation = GatedMessage(channels), GatedMessage(channels)

    def to_segmentation(self, level: int, own: Tensor, other: Tensor) -> Tensor:
        """The segmentation decoder's features after the message of the depth decoder."""
        return own + self.from_depth(other)

    def to_depth(self, level: int, own: Tensor, other: Tensor) -> Tensor:
        """The depth decoder's features after the message of the segmentation decoder."""
        return own + self.from_segmentation(other)


class GatedCorrelation(nn.Module):
    """Adds a gated message of the other task's feature to each task's own, both ways at once.

    G_a = F_a + conv_ab(F_b) * sigmoid(attention_ab(F_b)): gated by channel and pixel, from the other feature alone.
    Works on features of any encoder, as long as both tasks have them at one size.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.from_depth, self.from_segmentation = GatedMessage(channels), GatedMessage(channels)

    def forward(self, segmentation: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, channels, h, w) of both tasks, and the same with what the other one adds."""
        return segmentation + self.from_depth(depth), depth + self.from_segmentation(segmentation)


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
