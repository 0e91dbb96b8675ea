"""Convolution blocks that the papers' decoders are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """3 x 3 convolution on reflection-padded input, optional batch norm, ELU, optional channel dropout."""

    def __init__(self, inputs: int, outputs: int, batchnorm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(outputs) if batchnorm else nn.Identity()
        self.dropout = nn.Dropout2d(dropout) if dropout > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(F.elu(self.norm(self.conv(x))))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (DeepLabv3): 1x1, three dilated 3x3 and a global branch, projected (Three Ways 2.1)."""

    def __init__(
        self, inputs: int, outputs: int = 256, rates: tuple[int, ...] = (6, 12, 18), dropout: float = 0.5
    ) -> None:
        super().__init__()

        def branch(kernel: int, rate: int, channels: int) -> nn.Sequential:
            padding = rate if kernel == 3 else 0
            conv = nn.Conv2d(channels, outputs, kernel, padding=padding, dilation=rate, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

        self.branches = nn.ModuleList([branch(1, 1, inputs), *(branch(3, rate, inputs) for rate in rates)])
        self.pooled = branch(1, 1, inputs)
        self.project = nn.Sequential(branch(1, 1, outputs * (len(rates) + 2)), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[-2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))
