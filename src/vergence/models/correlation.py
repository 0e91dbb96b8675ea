"""What two tasks tell each other of their features: CorDA's task feature correlation (section 2.3)."""

from torch import Tensor, nn

from vergence.models.exchange import GatedMessage


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
