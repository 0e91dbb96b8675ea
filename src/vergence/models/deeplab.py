"""The DeepLabv3+ decoder (Chen et al., ECCV 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.blocks import ASPP, normed_conv

LEVEL = 2  # stride 4


class DeepLabDecoder(nn.Module):
    """Spatial pyramid on the deepest feature, joined at stride 4 with 48 channels of the encoder's, two convolutions.

    The paper's pyramid works at stride 16: give convolutional encoders ``output_stride`` 16.

    Raises:
        InputError: where the encoder has no feature of stride 4.
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        rates: tuple[int, ...] = (6, 12, 18),
        dropout: float = 0.5,
        width: int = 256,
        low_level: int = 48,
    ) -> None:
        super().__init__()
        if 2**LEVEL not in strides[:-1]:
            raise InputError(f"deeplabv3plus needs an encoder feature of stride 4, not only {tuple(strides)}.")
        self.skip = list(strides).index(2**LEVEL)
        self.aspp = ASPP(channels[-1], width, rates, dropout)
        self.reduce = normed_conv(channels[self.skip], low_level)
        self.fuse = nn.Sequential(*normed_conv(width + low_level, width, 3), *normed_conv(width, width, 3))
        self.widths = {LEVEL: width}

    def walk(self, x: Tensor, features: Sequence[Tensor], size: tuple[int, int]) -> tuple[Tensor, dict[int, Tensor]]:
        """The one map (B, width, H / 4, W / 4), also by its level, 2; ``size`` is not looked at."""
        low = self.reduce(features[self.skip])
        x = F.interpolate(self.aspp(x), size=low.shape[-2:], mode="bilinear", align_corners=False)
        x = self.fuse(torch.cat((x, low), dim=1))
        return x, {LEVEL: x}
