"""Convolution blocks that the papers' decoders are made of."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class ConvBlock(nn.Module):
    """3 x 3 convolution on reflection-padded input, optional batch norm, ELU, optional channel dropout."""

    def __init__(self, inputs: int, outputs: int, batchnorm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(outputs) if batchnorm else nn.Identity()
        self.dropout = nn.Dropout2d(dropout) if dropout > 0 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(F.elu(self.norm(self.conv(x)), inplace=True))


def normed_conv(inputs: int, outputs: int, kernel: int = 1, rate: int = 1, bias: bool = False) -> nn.Sequential:
    """Convolution that keeps the size, batch norm, ReLU."""
    padding = rate * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=rate, bias=bias)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., DeepLabv3; as in Three Ways, section 2.1).

    A 1 x 1 branch, a dilated 3 x 3 branch for each rate and a global one, joined and projected. The global branch has
    batch norm on 1 x 1 maps; in training on a batch of one it takes the running statistics and leaves them alone.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 256,
        rates: tuple[int, ...] = (6, 12, 18),
        dropout: float = 0.5,
        pooling: bool = True,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [normed_conv(inputs, outputs), *(normed_conv(inputs, outputs, 3, rate) for rate in rates)]
        )
        self.pooled = normed_conv(inputs, outputs) if pooling else None
        joined = outputs * (len(rates) + 1 + pooling)
        self.project = nn.Sequential(*normed_conv(joined, outputs), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        parts = [branch(x) for branch in self.branches]
        if self.pooled is not None:
            parts.append(self._pool(self.pooled, x).expand(-1, -1, *x.shape[-2:]))
        return self.project(torch.cat(parts, dim=1))

    @staticmethod
    def _pool(pooled: nn.Sequential, x: Tensor) -> Tensor:
        conv, norm, activation = pooled
        assert isinstance(norm, BATCH_NORMS)
        x = conv(F.adaptive_avg_pool2d(x, 1))
        if norm.training and len(x) == 1:  # one value a channel has no variance
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        else:
            x = norm(x)
        return cast(Tensor, activation(x))
