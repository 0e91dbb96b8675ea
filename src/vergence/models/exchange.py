"""Exchange of features between two tasks, gated by attention (PAD-Net, Xu et al., CVPR 2018; Three Ways, 3.2)."""

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
