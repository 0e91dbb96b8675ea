"""Depth decoders: U-Nets from encoder features to sigmoid disparities at several scales.

A decoder is a row of ten blocks, coarse to fine: block 2j is the first convolution of level 4 - j, block 2j + 1
upsamples, joins the encoder's feature and convolves again; its output is ``up_i`` of level i. :meth:`DepthDecoder.walk`
runs any stretch of that row, so that tasks can share a trunk or exchange features on the way.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.blocks import ASPP, ConvBlock, normed_conv

LEVELS = 5
BLOCKS = 2 * LEVELS


class DepthDecoder(nn.Module):
    """What the decoders share: skips by stride, the walk from coarse to fine, disparity heads.

    Level i works at stride min(2^i, deepest stride), so that a dilated encoder is not upsampled before its own size is
    left; missing skips (no stride-2 feature in ConvNeXt and ViTs) are left out.

    Args:
        channels, strides: of the encoder's features, finest first.
        scales: where disparities are wanted, among 0 to 3; levels below the finest are not built. Empty: no heads, all
            levels.
        widths: channels of levels 0 to 4.
        out_channels: of every head.
        use_skips: join encoder features at all.
        initial_disparity: sigmoid output before training, about (the heads' bias is its logit); None: near 0.5.
        bottleneck: first block of the deepest level in place of the plain one.
        batchnorm, dropout: in the blocks; ``dropout`` drops channels.
        project_skips: channels that skips are reduced to by a 1 x 1 convolution, 0: as they are.
        finest: the last level that is built; by default the finest of ``scales``.

    Raises:
        InputError: for widths, scales or initial disparity that make no decoder.
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        scales: Sequence[int] = (0, 1, 2, 3),
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        out_channels: int = 1,
        use_skips: bool = True,
        initial_disparity: float | None = None,
        bottleneck: nn.Module | None = None,
        batchnorm: bool = False,
        dropout: float = 0.0,
        project_skips: int = 0,
        finest: int | None = None,
    ) -> None:
        super().__init__()
        if len(widths) != LEVELS or min(widths) < 1:
            raise InputError(f"decoder_widths={tuple(widths)} must be {LEVELS} positive numbers, fine to coarse.")
        if any(scale not in range(LEVELS - 1) for scale in scales):
            raise InputError(f"scales={tuple(scales)} must be among 0, 1, 2, 3.")
        if len(set(scales)) < len(scales):
            raise InputError(f"scales={tuple(scales)} name one twice; give each once.")
        self.scales, self.widths, self.strides = tuple(scales), tuple(widths), tuple(strides)
        self.finest = min(scales, default=0) if finest is None else finest
        levels = range(LEVELS - 1, self.finest - 1, -1)
        self.skips = self._match_skips() if use_skips else {}
        self.first, self.second, self.project = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        width = channels[-1]
        for level in levels:
            if bottleneck is not None and level == LEVELS - 1:
                self.first[str(level)] = bottleneck
            else:
                self.first[str(level)] = ConvBlock(width, widths[level], batchnorm, dropout)
            joined = channels[self.skips[level]] if level in self.skips else 0
            if project_skips and joined:
                self.project[str(level)] = normed_conv(joined, project_skips, bias=True)
                joined = project_skips
            self.second[str(level)] = ConvBlock(widths[level] + joined, widths[level], batchnorm, dropout)
            width = widths[level]
        self.heads = nn.ModuleDict(
            {str(s): nn.Conv2d(widths[s], out_channels, 3, padding=1, padding_mode="reflect") for s in scales}
        )
        if initial_disparity is not None:
            self._start_at(initial_disparity)

    def _match_skips(self) -> dict[int, int]:
        """Level -> index of the encoder feature that joins there: the first unused one of the level's stride."""
        skips: dict[int, int] = {}
        for level in range(max(self.finest, 1), LEVELS):
            wanted = self.stride(level)
            free = [i for i, s in enumerate(self.strides[:-1]) if s == wanted and i not in skips.values()]
            if free:
                skips[level] = free[0]
        return skips

    def _start_at(self, disparity: float) -> None:
        if not 0 < disparity < 1:
            raise InputError(f"initial_disparity={disparity} must lie between 0 and 1 (both excluded).")
        for head in self.heads.values():
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.constant_(head.bias, math.log(disparity / (1 - disparity)))

    def stride(self, level: int) -> int:
        """How many pixels of the image a pixel of ``up_level`` is wide."""
        return min(2**level, self.strides[-1])

    def walk(
        self,
        x: Tensor,
        features: Sequence[Tensor],
        size: tuple[int, int],
        start: int = 0,
        stop: int = BLOCKS,
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Run blocks ``start`` to ``stop`` - 1 (0 is the deepest) on x, the output of the block before.

        Args:
            x: the deepest feature for ``start`` = 0, else the output of block ``start`` - 1.
            features: all encoder features, for the skips.
            size: (H, W) of the image.

        Returns:
            The last block's output, and ``up_i`` (B, widths[i], H / 2^i, W / 2^i) of the levels finished on the way.
        """
        ups: dict[int, Tensor] = {}
        for block in range(start, min(stop, 2 * (LEVELS - self.finest))):
            level = LEVELS - 1 - block // 2
            if block % 2 == 0:
                x = self.first[str(level)](x)
            else:
                x = ups[level] = self.second[str(level)](self._join(x, features, level, size))
        return x, ups

    def _join(self, x: Tensor, features: Sequence[Tensor], level: int, size: tuple[int, int]) -> Tensor:
        stride = self.stride(level)
        target = (-(-size[0] // stride), -(-size[1] // stride))
        if x.shape[-2:] != target:
            x = F.interpolate(x, size=target, mode="nearest")
        if level not in self.skips:
            return x
        skip = features[self.skips[level]]
        if skip.shape[-2:] != target:  # encoders that round odd sizes down
            skip = F.interpolate(skip, size=target, mode="bilinear", align_corners=False)
        if str(level) in self.project:
            skip = self.project[str(level)](skip)
        return torch.cat((x, skip), dim=1)

    def disparities(self, ups: dict[int, Tensor]) -> dict[int, Tensor]:
        """Sigmoid disparities of those scales whose ``up_i`` is given, in full precision also under autocast.

        bfloat16 keeps three digits: a disparity rounded by it would be off by up to a pixel of warping.
        """
        with torch.autocast(next(iter(ups.values())).device.type, enabled=False):
            heads = {s: self.heads[str(s)] for s in self.scales if s in ups}
            return {s: torch.sigmoid(head(ups[s].to(next(head.parameters()).dtype))) for s, head in heads.items()}

    def forward(self, features: Sequence[Tensor], size: Sequence[int] | None = None) -> dict[int, Tensor]:
        """Sigmoid disparities by scale, (B, out_channels, H / 2^s, W / 2^s), for an image of ``size`` (H, W).

        Sizes round up. Without ``size`` the finest feature times its stride is taken.
        """
        if size is None:
            size = [length * self.strides[0] for length in features[0].shape[-2:]]
        return self.disparities(self.walk(features[-1], features, (size[0], size[1]))[1])


class MonodepthDecoder(DepthDecoder):
    """Monodepth2's decoder (Godard et al., ICCV 2019; semhint 1.2): the defaults."""


class ThreeWaysDepthDecoder(DepthDecoder):
    """The Three Ways decoder (section 2.1): ASPP in place of the deepest level's first block.

    The forms of the depth stages ("dec5", "dec6") are the defaults; the selection student ("dec9", section 5.2) has
    ``widths=(64, 64, 128, 128, 256)`` and ``batchnorm=True``.

    Args:
        rates, pooling, aspp_dropout: of the ASPP.
        others: see :class:`DepthDecoder`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        scales: Sequence[int] = (0, 1, 2, 3),
        widths: Sequence[int] = (64, 128, 128, 256, 256),
        rates: tuple[int, ...] = (6, 12, 18),
        pooling: bool = True,
        aspp_dropout: float = 0.5,
        **others: Any,
    ) -> None:
        bottleneck = ASPP(channels[-1], widths[-1], rates, aspp_dropout, pooling)
        super().__init__(channels, strides, scales, widths, bottleneck=bottleneck, **others)
