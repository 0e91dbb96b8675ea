"""Segmentation beside depth: one encoder, a decoder for each task, features exchanged on the way (Three Ways, 3)."""

import logging
from collections.abc import Sequence
from typing import TypedDict, cast

from torch import Tensor, nn

from vergence.models.decoders import LEVELS, DepthDecoder
from vergence.models.deeplab import LEVEL as DEEPLAB_LEVEL
from vergence.models.deeplab import DeepLabDecoder
from vergence.models.depth_network import build_depth_decoder
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.exchange import AttentionExchange, PADExchange
from vergence.models.segmentation_config import (
    BOTTLENECK,
    attention_levels,
    check_segmentation_network,
)
from vergence.models.segmentation_heads import SegmentationHead, resize_maps
from vergence.models.shared_decoder import TaskWalk, share_blocks, shared_parameters
from vergence.settings.networks import SegmentationNetworkConfig

__all__ = [
    "MultiTaskNetwork",
    "Prediction",
    "SegmentationNetworkConfig",
    "build_segmentation_network",
]
log = logging.getLogger("vergence")


class Prediction(TypedDict, total=False):
    """What was asked for, and the encoder's features."""

    logits: Tensor
    """(B, K, H, W); at 1 / head_stride of that with PAD"""
    side_logits: Tensor
    """(B, K, h, w) at the exchange level's size, or at 1 / head_stride."""
    disparities: dict[int, Tensor]
    """Scale s -> (B, 1, H / 2^s, W / 2^s) in (0, 1), 1 is near."""
    depth_levels: dict[int, Tensor]
    """Level i -> ``up_i`` (B, C, h, w) of the depth decoder, as its heads see it."""
    features: list[Tensor]
    """Features of the encoder, finest first."""


class MultiTaskNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to class logits and sigmoid disparities.

    Without ``trunk`` the tasks share the encoder alone; with it, also its ``shared_blocks`` blocks, which the other two
    decoders lack. The gradients of the tasks are multiplied by ``gradient_scale`` (depth, segmentation) where
    they enter what is shared. With ``exchange`` either decoder stops at the exchange's levels and goes on from its own
    features and the other's message.
    """

    def __init__(
        self,
        encoder: Encoder,
        segmentation: DepthDecoder | DeepLabDecoder,
        head: SegmentationHead,
        depth: DepthDecoder | None = None,
        exchange: PADExchange | AttentionExchange | None = None,
        side: nn.Conv2d | None = None,
        trunk: DepthDecoder | None = None,
        shared_blocks: int = 0,
        gradient_scale: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        self.encoder, self.trunk, self.segmentation, self.head = encoder, trunk, segmentation, head
        self.depth, self.exchange, self.side = depth, exchange, side
        self.shared_blocks, self.gradient_scale = shared_blocks, gradient_scale

    def encode(self, images: Tensor) -> list[Tensor]:
        """Encoder features, finest first."""
        return cast(list[Tensor], self.encoder(images))

    def forward(
        self,
        images: Tensor,
        segmentation: bool = True,
        depth: bool = False,
        side: bool = False,
        levels: bool = False,
    ) -> Prediction:
        """Encode and :meth:`decode`."""
        return self.decode(self.encode(images), images.shape[-2:], segmentation, depth, side, levels)

    def decode(
        self,
        features: Sequence[Tensor],
        size: Sequence[int],
        segmentation: bool = True,
        depth: bool = False,
        side: bool = False,
        levels: bool = False,
    ) -> Prediction:
        """Predict from encoder features of images of ``size`` (H, W); nothing is computed that was not asked for.

        ``side`` asks for side logits where the network has them, ``levels`` for the depth decoder's levels beside
        disparities.

        Raises:
            ValueError: for depth of a network that has none.
        """
        if depth and self.depth is None:
            raise ValueError("this network has no depth decoder")
        side = side and self.side is not None
        prediction: Prediction = {"features": list(features)}
        size = (size[0], size[1])
        own, other = self._walk(features, size, segmentation, depth, side)
        if side:
            assert self.side is not None
            assert isinstance(self.exchange, PADExchange)
            logits = self.side(own.ups[self.exchange.level])
            at_stride = self.head.stride > 1  # as released: else at the exchange level's size
            prediction["side_logits"] = resize_maps(logits, self.head.strided(size)) if at_stride else logits
        if segmentation:
            prediction["logits"] = self.head(own.ups | {BOTTLENECK: own.features[-1]}, size)
        if depth:
            assert self.depth is not None
            assert other is not None
            prediction["disparities"] = self.depth.disparities(other.ups)
            if levels:
                prediction["depth_levels"] = dict(other.ups)
        return prediction

    def _walk(
        self, features: Sequence[Tensor], size: tuple[int, int], segmentation: bool, depth: bool, side: bool
    ) -> tuple[TaskWalk, TaskWalk | None]:
        """The walks of segmentation and of depth, as far as they are needed."""
        x: Tensor = features[-1]
        shared: dict[int, Tensor] = {}
        if self.trunk is not None and (segmentation or depth):
            x, shared = self.trunk.walk(x, features, size, 0, self.shared_blocks)
        start = (x, shared, features, size, self.shared_blocks)
        own = TaskWalk(self.segmentation, *start, self.gradient_scale[1])
        other = None if self.depth is None else TaskWalk(self.depth, *start, self.gradient_scale[0])
        if self.exchange is not None:
            assert other is not None
            self._exchange(self.exchange, own, other, segmentation, depth, side)
        if segmentation:
            own.to()
        if depth:
            assert other is not None
            other.to()
        return own, other

    @staticmethod
    def _exchange(
        exchange: PADExchange | AttentionExchange,
        own: TaskWalk,
        other: TaskWalk,
        segmentation: bool,
        depth: bool,
        side: bool,
    ) -> None:
        """Walk both tasks to where they meet, and let them hear each other; the last time, only those that go on."""
        if not (segmentation or depth or side):
            return
        for level in exchange.levels:
            last = level == exchange.levels[-1]
            own.to(2 * (LEVELS - level))
            if segmentation or depth:
                other.to(2 * (LEVELS - level))
            x, y = own.x, other.x
            if segmentation or not last:
                own.x = exchange.to_segmentation(level, x, y)
            if depth or not last:
                other.x = exchange.to_depth(level, y, x)
            if exchange.replaces_level:
                own.ups[level], other.ups[level] = own.x, other.x

    def parts(self) -> dict[str, list[nn.Module]]:
        """Modules by task, for parameter groups; a message belongs to the task that receives it."""
        parts: dict[str, list[nn.Module | None]] = {
            "encoder": [self.encoder],
            "trunk": [self.trunk],
            "depth": [self.depth, self.exchange and self.exchange.from_segmentation],
            "segmentation": [self.segmentation, self.head, self.exchange and self.exchange.from_depth, self.side],
        }
        listed = {name: [module for module in modules if module is not None] for name, modules in parts.items()}
        return {name: modules for name, modules in listed.items() if modules}


def build_segmentation_network(config: SegmentationNetworkConfig, classes: int, depth: bool) -> MultiTaskNetwork:
    """Build from settings; ``depth`` adds a depth decoder, which an exchange and shared blocks need.

    Raises:
        InputError: where the encoder or its weights cannot be had or the settings make no network.
    """
    check_segmentation_network(config, depth)
    encoder = build_encoder(config.encoder, config.weights, 1, config.output_stride, config.normalization)
    depth_decoder = build_depth_decoder(config, encoder, config.scales) if depth else None
    scale = (float(config.gradient_scale[0]), float(config.gradient_scale[1]))
    if config.decoder == "deeplabv3plus":
        deeplab = DeepLabDecoder(encoder.channels, encoder.strides, tuple(config.aspp_rates), config.aspp_dropout)
        head = SegmentationHead(deeplab.widths, classes, width=0, stride=2**DEEPLAB_LEVEL)
        return MultiTaskNetwork(encoder, deeplab, head, depth_decoder, gradient_scale=scale)
    decoder = build_depth_decoder(config, encoder, (), min(min(config.head_levels), LEVELS - 1))
    head = _build_head(config, (*decoder.widths, encoder.channels[-1]), classes)
    exchange: PADExchange | AttentionExchange | None = None
    side, trunk = None, None
    if config.exchange == "pad":
        joined = decoder.widths[config.exchange_level]
        side = nn.Conv2d(joined, classes, 1) if config.side_output else None
        exchange = PADExchange(joined, config.exchange_level)
    elif config.exchange == "attention":
        exchange = AttentionExchange({level: decoder.widths[level] for level in attention_levels(config)})
    if config.shared_blocks:
        assert depth_decoder is not None
        trunk = share_blocks(decoder, depth_decoder, config.shared_blocks)
        shared, whole = shared_parameters(trunk, depth_decoder)
        log.info(
            "Depth and segmentation share %d decoder blocks: %s of %s parameters.",
            *(config.shared_blocks, f"{shared:,}", f"{whole:,}"),
        )
    return MultiTaskNetwork(encoder, decoder, head, depth_decoder, exchange, side, trunk, config.shared_blocks, scale)


def _build_head(config: SegmentationNetworkConfig, widths: Sequence[int], classes: int) -> SegmentationHead:
    width = config.head_channels
    if width is None:
        width = 0 if config.exchange == "pad" and not config.head_hidden else 64
    hidden = (config.head_hidden_channels or width) if config.head_hidden else 0
    return SegmentationHead(
        {level: widths[level] for level in config.head_levels},
        classes,
        width,
        hidden,
        config.head_stride,
        config.head_dropout,
        config.head_kernel,
        resize=config.exchange != "pad",
    )
