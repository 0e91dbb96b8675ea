"""Segmentation by a light head on the features of an encoder that learns nothing more."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.freeze import freeze
from vergence.models.segmentation_heads import SegmentationHead
from vergence.models.segmentation_network import Prediction
from vergence.settings.networks import FrozenNetworkConfig


class FrozenNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to class logits; the encoder stays in evaluation mode and has no gradients."""

    side = None

    def __init__(self, encoder: Encoder, head: SegmentationHead) -> None:
        super().__init__()
        self.encoder, self.head = freeze(encoder), head
        self.read = [encoder.strides.index(stride) for stride in head.levels]

    def train(self, mode: bool = True) -> Self:
        """Reaches the head alone."""
        super().train(mode)
        self.encoder.eval()
        return self

    def encode(self, images: Tensor) -> list[Tensor]:
        """The features that the head reads, finest first."""
        features = self.encoder(images)
        return [features[level] for level in self.read]

    def decode(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits (B, K, H, W) from :meth:`encode`'s features of images of ``size`` (H, W)."""
        logits: Tensor = self.head(dict(zip(self.head.levels, features, strict=True)), size)
        return logits

    def forward(self, images: Tensor) -> Prediction:
        features = self.encode(images)
        size = (images.shape[-2], images.shape[-1])
        return {"features": features, "logits": self.decode(features, size)}


def build_frozen_network(config: FrozenNetworkConfig, classes: int) -> FrozenNetwork:
    """Build from settings.

    Raises:
        InputError: where the encoder or its weights cannot be had, or it has no features of these strides.
    """
    for name in ("width", "hidden", "head_stride"):
        if getattr(config, name) < 1:
            raise InputError(f"network.{name} is {getattr(config, name)}; give 1 or more.")
    encoder = build_encoder(config.encoder, config.weights, normalization=config.normalization)
    strides = tuple(config.strides)
    if not strides or len(set(strides)) < len(strides) or any(stride not in encoder.strides for stride in strides):
        raise InputError(
            f"network.strides are {list(strides)}; give different ones of those that {config.encoder} has: "
            f"{', '.join(map(str, encoder.strides))}."
        )
    channels = {stride: encoder.channels[encoder.strides.index(stride)] for stride in strides}
    head = SegmentationHead(channels, classes, config.width, config.hidden, config.head_stride, config.dropout)
    return FrozenNetwork(encoder, head)
