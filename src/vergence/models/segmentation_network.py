"""Segmentation beside depth: one encoder, a decoder for each task, features exchanged on the way (Three Ways, 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, cast

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.decoders import BLOCKS, LEVELS, DepthDecoder
from vergence.models.deeplab import LEVEL as DEEPLAB_LEVEL
from vergence.models.deeplab import DeepLabDecoder
from vergence.models.depth_network import DepthNetworkConfig, build_depth_decoder
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.exchange import PADExchange
from vergence.models.segmentation_heads import SegmentationHead

DECODERS = ("monodepth2", "three_ways", "deeplabv3plus")
BOTTLENECK = LEVELS  # head level of the encoder's deepest feature


@dataclass
class SegmentationNetworkConfig(DepthNetworkConfig):
    """Encoder, decoders and head of a segmentation network; ``scales`` are those of the depth decoder."""

    decoder: Literal["monodepth2", "three_ways", "deeplabv3plus"] = "monodepth2"  # type: ignore[assignment]
    """Of both tasks; with deeplabv3plus, depth has the three_ways decoder."""
    exchange: Literal["none", "pad"] = "none"
    """pad: the decoders of depth and segmentation tell each other their features."""
    exchange_level: int = 2
    """The exchange happens after this level (4 is the deepest; the papers' layer 7 is level 2)."""
    side_output: bool = True
    """With pad: logits also from the exchange level, before the exchange."""
    head_levels: tuple[int, ...] = (0,)
    """Decoder levels that the head reads, 4 to 0; 5 is the encoder's deepest feature. Not of deeplabv3plus."""
    head_channels: int | None = None
    """Channels each of them is projected to: 64, with pad none (the level is classified as it is)."""
    head_hidden: bool = False
    """A 3 x 3 convolution with batch norm and ReLU in the head."""
    head_stride: int = 1
    """The head works at 1 / head_stride of the image size."""
    head_dropout: float = 0.1
    """Before the last convolution of a head that projects."""


def selection_student() -> SegmentationNetworkConfig:
    """The student of automatic data selection ("dec9", Three Ways, 5.2): lighter decoders with batch norm."""
    return SegmentationNetworkConfig(
        encoder="resnet50",
        decoder="three_ways",
        decoder_widths=(64, 64, 128, 128, 256),
        decoder_batchnorm=True,
        output_stride=16,
        normalization="monodepth2",
        head_levels=(1,),
        head_hidden=True,
        head_stride=2,
        head_dropout=0.0,
    )


class Prediction(TypedDict, total=False):
    """What was asked for, and the encoder's features."""

    logits: Tensor
    """(B, K, H, W)"""
    side_logits: Tensor
    """(B, K, h, w) at the exchange level's size."""
    disparities: dict[int, Tensor]
    """Scale s -> (B, 1, H / 2^s, W / 2^s) in (0, 1), 1 is near."""
    features: list[Tensor]
    """Of the encoder, finest first."""


class MultiTaskNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to class logits and sigmoid disparities.

    Without ``exchange`` the tasks share the encoder alone. With it, either decoder stops after the exchange level and
    goes on from the sum of its own features and the other's message; disparities of that level and of deeper ones are
    predicted before the exchange.
    """

    def __init__(
        self,
        encoder: Encoder,
        segmentation: DepthDecoder | DeepLabDecoder,
        head: SegmentationHead,
        depth: DepthDecoder | None = None,
        exchange: PADExchange | None = None,
        side: nn.Conv2d | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.segmentation, self.head = encoder, segmentation, head
        self.depth, self.exchange, self.side = depth, exchange, side

    def encode(self, images: Tensor) -> list[Tensor]:
        """Encoder features, finest first."""
        return cast(list[Tensor], self.encoder(images))

    def forward(self, images: Tensor, segmentation: bool = True, depth: bool = False, side: bool = False) -> Prediction:
        """Encode and :meth:`decode`."""
        return self.decode(self.encode(images), images.shape[-2:], segmentation, depth, side)

    def decode(
        self,
        features: Sequence[Tensor],
        size: Sequence[int],
        segmentation: bool = True,
        depth: bool = False,
        side: bool = False,
    ) -> Prediction:
        """Predict from encoder features of images of ``size`` (H, W); nothing is computed that was not asked for.

        ``side`` asks for side logits where the network has them.

        Raises:
            ValueError: for depth of a network that has none.
        """
        if depth and self.depth is None:
            raise ValueError("this network has no depth decoder")
        side = side and self.side is not None
        prediction: Prediction = {"features": list(features)}
        ups, disparity_ups = self._walk(features, (size[0], size[1]), segmentation, depth, side)
        if side:
            assert self.side is not None
            assert self.exchange is not None
            prediction["side_logits"] = self.side(ups[self.exchange.level])
        if segmentation:
            prediction["logits"] = self.head(ups | {BOTTLENECK: features[-1]}, (size[0], size[1]))
        if depth:
            assert self.depth is not None
            prediction["disparities"] = self.depth.disparities(disparity_ups)
        return prediction

    def _walk(
        self, features: Sequence[Tensor], size: tuple[int, int], segmentation: bool, depth: bool, side: bool
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Levels of the segmentation and of the depth decoder, as far as they are needed."""
        ups: dict[int, Tensor] = {}
        disparity_ups: dict[int, Tensor] = {}
        if self.exchange is None:
            if segmentation:
                ups = self.segmentation.walk(features[-1], features, size)[1]
            if depth:
                assert self.depth is not None
                disparity_ups = self.depth.walk(features[-1], features, size)[1]
            return ups, disparity_ups
        assert self.depth is not None
        assert isinstance(self.segmentation, DepthDecoder)
        meeting = 2 * (LEVELS - self.exchange.level)
        own, other = features[-1], features[-1]
        if segmentation or side or depth:
            own, ups = self.segmentation.walk(own, features, size, 0, meeting)
        if segmentation or depth:
            other, disparity_ups = self.depth.walk(other, features, size, 0, meeting)
        if segmentation:
            x = own + self.exchange.from_depth(other)
            ups |= self.segmentation.walk(x, features, size, meeting, BLOCKS)[1]
        if depth:
            x = other + self.exchange.from_segmentation(own)
            disparity_ups |= self.depth.walk(x, features, size, meeting, BLOCKS)[1]
        return ups, disparity_ups

    def parts(self) -> dict[str, list[nn.Module]]:
        """Modules by task, for parameter groups; a message belongs to the task that receives it."""
        parts: dict[str, list[nn.Module | None]] = {
            "encoder": [self.encoder],
            "depth": [self.depth, self.exchange and self.exchange.from_segmentation],
            "segmentation": [self.segmentation, self.head, self.exchange and self.exchange.from_depth, self.side],
        }
        listed = {name: [module for module in modules if module is not None] for name, modules in parts.items()}
        return {name: modules for name, modules in listed.items() if modules}


def build_segmentation_network(config: SegmentationNetworkConfig, classes: int, depth: bool) -> MultiTaskNetwork:
    """Build from settings; ``depth`` adds a depth decoder, which pad needs.

    Raises:
        InputError: where the encoder or its weights cannot be had or the settings make no network.
    """
    _check(config, depth)
    encoder = build_encoder(config.encoder, config.weights, 1, config.output_stride, config.normalization)
    depth_decoder = build_depth_decoder(config, encoder, config.scales) if depth else None
    if config.decoder == "deeplabv3plus":
        deeplab = DeepLabDecoder(encoder.channels, encoder.strides, tuple(config.aspp_rates), config.aspp_dropout)
        head = SegmentationHead(deeplab.widths, classes, width=0, stride=2**DEEPLAB_LEVEL)
        return MultiTaskNetwork(encoder, deeplab, head, depth_decoder)
    finest = min(min(config.head_levels), LEVELS - 1)
    decoder = build_depth_decoder(config, encoder, (), finest)
    channels = {level: (*decoder.widths, encoder.channels[-1])[level] for level in config.head_levels}
    pad = config.exchange == "pad"
    width = config.head_channels or (0 if pad and not config.head_hidden else 64)
    head = SegmentationHead(channels, classes, width, config.head_hidden, config.head_stride, config.head_dropout)
    if not pad:
        return MultiTaskNetwork(encoder, decoder, head, depth_decoder)
    joined = decoder.widths[config.exchange_level]
    side = nn.Conv2d(joined, classes, 1) if config.side_output else None
    return MultiTaskNetwork(encoder, decoder, head, depth_decoder, PADExchange(joined, config.exchange_level), side)


def _check(config: SegmentationNetworkConfig, depth: bool) -> None:
    if config.decoder not in DECODERS:
        raise InputError(f"decoder={config.decoder!r} is unknown; use {', '.join(DECODERS)}.")
    levels = tuple(config.head_levels)
    if not levels or len(set(levels)) < len(levels) or any(level not in range(BOTTLENECK + 1) for level in levels):
        raise InputError(f"head_levels={levels} must be different numbers among 5 (deepest) to 0 (finest).")
    if config.head_stride < 1 or (config.head_channels is not None and config.head_channels < 1):
        raise InputError(
            f"head_stride={config.head_stride} and head_channels={config.head_channels} must be at least 1."
        )
    if config.exchange not in ("none", "pad"):
        raise InputError(f"exchange={config.exchange!r} is unknown; use none or pad.")
    if config.exchange == "none":
        return
    if not depth:
        raise InputError(
            "exchange=pad takes a network that also learns depth; add the depth task or set exchange=none."
        )
    if config.decoder == "deeplabv3plus":
        raise InputError("exchange=pad joins decoders of one form; use decoder=three_ways or monodepth2.")
    finest = max(min(levels), min(config.scales, default=LEVELS))
    if config.exchange_level not in range(LEVELS) or finest >= config.exchange_level:
        raise InputError(
            f"exchange_level={config.exchange_level} must be a level, 4 to 1, that both head_levels={levels} and "
            f"scales={tuple(config.scales)} go beyond to finer ones."
        )
