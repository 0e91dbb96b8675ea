"""The depth network: an encoder and a decoder, as one value of settings."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from vergence.models.decoders import DepthDecoder, MonodepthDecoder, ThreeWaysDepthDecoder
from vergence.models.encoders import Encoder, build_encoder


@dataclass
class DepthNetworkConfig:
    """Encoder and decoder of a depth network."""

    encoder: str = "resnet18"
    """A timm name or alias."""
    weights: str = "imagenet"
    """imagenet, offline, auto, none or a weights file."""
    decoder: Literal["monodepth2", "three_ways"] = "monodepth2"
    scales: tuple[int, ...] = (0, 1, 2, 3)
    """Disparities at 1 / 2^scale of the image size."""
    decoder_widths: tuple[int, ...] | None = None
    """Channels of the decoder's five levels, fine to coarse; the paper's where not given."""
    output_stride: int | None = None
    """8 or 16: dilation instead of late strides."""
    normalization: Literal["default", "monodepth2"] = "default"
    initial_disparity: float | None = None
    """Sigmoid output before training, everywhere; None for the random one near 0.5."""


@dataclass
class PoseConfig:
    """The pose network."""

    encoder: str = "resnet18"
    weights: str = "imagenet"


class DepthNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to sigmoid disparities by scale."""

    def __init__(self, encoder: Encoder, decoder: DepthDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        return self.decoder(self.encoder(images), images.shape[-2:])


def build_depth_network(config: DepthNetworkConfig) -> DepthNetwork:
    """Build from settings; InputError where encoder or weights cannot be had."""
    encoder = build_encoder(config.encoder, config.weights, 1, config.output_stride, config.normalization)
    kind = {"monodepth2": MonodepthDecoder, "three_ways": ThreeWaysDepthDecoder}[config.decoder]
    widths = {} if config.decoder_widths is None else {"widths": config.decoder_widths}
    decoder = kind(
        encoder.channels, encoder.strides, config.scales, initial_disparity=config.initial_disparity, **widths
    )
    return DepthNetwork(encoder, decoder)
