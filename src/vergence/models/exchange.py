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
    """A message in each direction between two decoders at ``level``; either is added to the receiver's features."""

    def __init__(self, channels: int, level: int) -> None:
        super().__init__()
        self.level = level
        self.from_depth, self.from_segmentation = GatedMessage(channels), GatedMessage(channels)
