"""The depth network: an encoder and a decoder, as one value of settings; and the pose network beside it."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.decoders import DepthDecoder, MonodepthDecoder, ThreeWaysDepthDecoder
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.pose import PoseCNN, PoseNetwork
from vergence.settings.networks import DepthNetworkConfig, Normalization, PoseConfig


class DepthNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to sigmoid disparities by scale.

    Example:
        >>> import torch
        >>> network = build_depth_network(DepthNetworkConfig(weights="none"))
        >>> {scale: tuple(map_.shape) for scale, map_ in network(torch.rand(1, 3, 64, 96)).items()}
        {0: (1, 1, 64, 96), 1: (1, 1, 32, 48), 2: (1, 1, 16, 24), 3: (1, 1, 8, 12)}
    """

    def __init__(self, encoder: Encoder, decoder: DepthDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Scale s -> (B, 1, H / 2^s, W / 2^s) in (0, 1), 1 is near; sizes round up."""
        return self.decoder(self.encoder(images), images.shape[-2:])


def build_depth_network(config: DepthNetworkConfig) -> DepthNetwork:
    """Build from settings.

    Raises:
        InputError: where the encoder or its weights cannot be had or the decoder's settings make no decoder.
    """
    if config.decoder not in ("monodepth2", "three_ways"):
        raise InputError(f"decoder={config.decoder!r} is unknown; use monodepth2 or three_ways.")
    encoder = build_encoder(config.encoder, config.weights, 1, config.output_stride, config.normalization)
    return DepthNetwork(encoder, build_depth_decoder(config, encoder, config.scales))


def build_depth_decoder(
    config: DepthNetworkConfig, encoder: Encoder, scales: Sequence[int], finest: int | None = None
) -> DepthDecoder:
    """The settings' decoder on an encoder's features, with heads at ``scales`` and levels down to ``finest``.

    Raises:
        InputError: where the settings make no decoder.
    """
    settings: dict[str, Any] = {"scales": scales, "finest": finest}
    if scales:
        settings["initial_disparity"] = config.initial_disparity
    if config.decoder_widths is not None:
        settings["widths"] = config.decoder_widths
    if config.decoder == "monodepth2":
        return MonodepthDecoder(encoder.channels, encoder.strides, **settings)
    settings |= {
        "rates": tuple(config.aspp_rates),
        "aspp_dropout": config.aspp_dropout,
        "batchnorm": config.decoder_batchnorm,
        "dropout": config.decoder_dropout,
    }
    return ThreeWaysDepthDecoder(encoder.channels, encoder.strides, **settings)


def build_pose_network(config: PoseConfig, normalization: Normalization = "default") -> PoseNetwork | PoseCNN:
    """Build the pose network for pairs of frames.

    Raises:
        InputError: where the encoder or its weights cannot be had.
    """
    if config.encoder == "posecnn":
        return PoseCNN()
    return PoseNetwork(config.encoder, config.weights, normalization=normalization)
