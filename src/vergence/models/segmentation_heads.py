"""From decoder levels to class logits."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.models.blocks import normed_conv


class SegmentationHead(nn.Module):
    """Levels are projected by 1 x 1 convolutions, resized to one size, joined and classified (Three Ways, 3.1).

    Args:
        channels: of each level that is read, by level (5 is the encoder's deepest feature).
        classes: number of logits.
        width: channels of every projection; 0: levels are classified as they are, without dropout.
        hidden: channels of a 3 x 3 convolution with batch norm and ReLU before classification; 0 for none.
        stride: of the classified map relative to the image; logits are then resized to the image.
        resize: False leaves logits at that stride (the multi-task form of the official program).
        dropout: before the last convolution.
        kernel: of the last convolution, 1 or 3 (with reflected borders, as in the depth heads).
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        classes: int,
        width: int = 64,
        hidden: int = 0,
        stride: int = 1,
        dropout: float = 0.1,
        kernel: int = 1,
        resize: bool = True,
    ) -> None:
        super().__init__()
        self.levels, self.stride, self.resize = tuple(channels), stride, resize
        self.project = nn.ModuleDict(
            {str(level): nn.Conv2d(inputs, width, 1, bias=False) for level, inputs in channels.items() if width}
        )
        joined = width * len(channels) if width else sum(channels.values())
        self.hidden = normed_conv(joined, hidden, 3) if hidden else nn.Identity()
        self.dropout = nn.Dropout(dropout if width else 0)
        inputs = hidden or joined
        self.classify = (
            nn.Conv2d(inputs, classes, kernel, padding=kernel // 2, padding_mode="reflect")
            if kernel > 1
            else nn.Conv2d(inputs, classes, 1)
        )

    def forward(self, levels: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """Maps (B, C, h, w) by level to logits (B, classes, H, W) for an image of ``size`` (H, W)."""
        target = self.strided(size)
        parts = []
        for level in self.levels:
            part = levels[level]
            if str(level) in self.project:
                part = self.project[str(level)](part)
            parts.append(resize_maps(part, target))
        joined = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return resize_maps(self.classify(self.dropout(self.hidden(joined))), size if self.resize else target)

    def strided(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size at which the head works."""
        return -(-size[0] // self.stride), -(-size[1] // self.stride)


def resize_maps(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, C, h, w) at another size, bilinearly."""
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
