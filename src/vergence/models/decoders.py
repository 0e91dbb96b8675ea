"""Depth decoders: U-Nets from encoder features to sigmoid disparities at several scales.

Both are lists of indexed blocks, coarse to fine: ``first[i]``, upsampling, skip, ``second[i]``; a caller can run any
prefix of them (shared trunks, exchange between tasks).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.models.blocks import ASPP, ConvBlock

LEVELS = 5  # level i works at 1 / 2^(i+1) before and 1 / 2^i after upsampling


class DepthDecoder(nn.Module):
    """What both decoders share: skips by stride, disparity heads, the walk from coarse to fine."""

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        scales: Sequence[int],
        widths: Sequence[int],
        out_channels: int,
        use_skips: bool,
        initial_disparity: float | None,
        batchnorm: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        if len(widths) != LEVELS:
            raise ValueError(f"decoder widths {tuple(widths)} have {len(widths)} entries, expected {LEVELS}, fine to coarse")
        if any(scale not in range(4) for scale in scales):
            raise ValueError(f"scales {tuple(scales)} are not among 0, 1, 2, 3")
        self.scales, self.widths = tuple(scales), tuple(widths)
        # The feature that joins at level i has stride 2^i; a repeated stride (dilation) belongs to the deepest only.
        self.skips = {
            level: strides.index(2**level) for level in range(1, LEVELS) if use_skips and 2**level in strides[:-1]
        }
        self.first, self.second = nn.ModuleDict(), nn.ModuleDict()
        width = channels[-1]
        for level in reversed(range(LEVELS)):
            self.first[str(level)] = self.make_first(level, width)
            skip = channels[self.skips[level]] if level in self.skips else 0
            self.second[str(level)] = ConvBlock(widths[level] + skip, widths[level], batchnorm, dropout)
            width = widths[level]
        self.heads = nn.ModuleDict({str(s): nn.Conv2d(widths[s], out_channels, 3, padding=1, padding_mode="reflect") for s in scales})
        if initial_disparity is not None:
            for head in self.heads.values():
                nn.init.constant_(head.bias, math.log(initial_disparity / (1 - initial_disparity)))

    def make_first(self, level: int, inputs: int) -> nn.Module:
        return ConvBlock(inputs, self.widths[level])

    def level(self, level: int, x: Tensor, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """One level: ``up_level`` from the level below it. ``size`` is that of the image."""
        x = self.first[str(level)](x)
        target = (-(-size[0] // 2**level), -(-size[1] // 2**level))
        if x.shape[-2:] != target:
            x = F.interpolate(x, size=target, mode="nearest")
        if level in self.skips:
            skip = features[self.skips[level]]
            if skip.shape[-2:] != target:
                skip = F.interpolate(skip, size=target, mode="bilinear", align_corners=False)
            x = torch.cat((x, skip), dim=1)
        return self.second[str(level)](x)

    def intermediate(self, features: Sequence[Tensor], size: tuple[int, int]) -> dict[int, Tensor]:
        """All ``up_i``: level -> (B, widths[i], H / 2^i, W / 2^i)."""
        x, outputs = features[-1], {}
        for level in reversed(range(LEVELS)):
            x = outputs[level] = self.level(level, x, features, size)
        return outputs

    def forward(self, features: Sequence[Tensor], size: tuple[int, int] | torch.Size) -> dict[int, Tensor]:
        """Sigmoid disparities by scale, (B, out_channels, H / 2^s, W / 2^s), for an image of ``size`` (H, W)."""
        levels = self.intermediate(features, (size[0], size[1]))
        return {scale: torch.sigmoid(self.heads[str(scale)](levels[scale])) for scale in self.scales}


class MonodepthDecoder(DepthDecoder):
    """Monodepth2's decoder (ICCV 2019, supplementary table 5): every level doubles the size."""

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        scales: Sequence[int] = (0, 1, 2, 3),
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        out_channels: int = 1,
        use_skips: bool = True,
        initial_disparity: float | None = None,
    ) -> None:
        super().__init__(channels, strides, scales, widths, out_channels, use_skips, initial_disparity, False, 0.0)


class ThreeWaysDepthDecoder(DepthDecoder):
    """The Three Ways decoder (section 2.1): ASPP at the deepest level, upsampling only where the skip is finer.

    The forms of the depth stages ("dec5", "dec6") have no batch norm and no dropout in the blocks; the selection
    student ("dec9") has batch norm.
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        scales: Sequence[int] = (0, 1, 2, 3),
        widths: Sequence[int] = (64, 128, 128, 256, 256),
        out_channels: int = 1,
        use_skips: bool = True,
        initial_disparity: float | None = None,
        rates: tuple[int, ...] = (6, 12, 18),
        aspp_dropout: float = 0.5,
        batchnorm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        self._aspp = (rates, aspp_dropout, batchnorm, dropout)
        super().__init__(channels, strides, scales, widths, out_channels, use_skips, initial_disparity, batchnorm, dropout)

    def make_first(self, level: int, inputs: int) -> nn.Module:
        rates, aspp_dropout, batchnorm, dropout = self._aspp
        if level == LEVELS - 1:
            return ASPP(inputs, self.widths[level], rates, aspp_dropout)
        return ConvBlock(inputs, self.widths[level], batchnorm, dropout)
