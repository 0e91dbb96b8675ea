"""Settings of networks."""

from dataclasses import dataclass
from typing import Literal

Normalization = Literal["default", "monodepth2"]
DEEPLABV2 = "deeplabv2_resnet101"
"""Name of CorDA's encoder; the others are timm's."""


@dataclass
class DepthNetworkConfig:
    """Encoder and decoder of a depth network."""

    encoder: str = "resnet18"
    """resnet18, efficientnet_lite0, convnext_tiny, dinov2_vits14 or any other timm name with feature maps."""
    weights: str = "imagenet"
    """imagenet, offline, auto, none or a weights file."""
    decoder: Literal["monodepth2", "three_ways"] = "monodepth2"
    """The decoder of Monodepth2 or of Three Ways."""
    scales: tuple[int, ...] = (0, 1, 2, 3)
    """Disparities at 1 / 2^scale of the image size."""
    decoder_widths: tuple[int, ...] | None = None
    """Channels of the decoder's five levels, fine to coarse; null: the paper's."""
    output_stride: int | None = None
    """8 or 16: dilation instead of late strides; null: the encoder as it is."""
    normalization: Normalization = "default"
    """default: the encoder's own mean and standard deviation; monodepth2: 0.45 and 0.225."""
    initial_disparity: float | None = None
    """Sigmoid output before training, everywhere; null for the random one near 0.5."""
    aspp_rates: tuple[int, ...] = (6, 12, 18)
    """Dilations of the three_ways decoder's spatial pyramid."""
    aspp_dropout: float = 0.5
    """Dropout after that pyramid."""
    decoder_batchnorm: bool = False
    """Batch norm in the three_ways decoder's blocks (its selection student has it)."""
    decoder_dropout: float = 0.0
    """Channel dropout in the three_ways decoder's blocks."""


@dataclass
class PoseConfig:
    """The pose network, of methods that learn depth from video."""

    encoder: str = "resnet18"
    """A timm name or alias, or posecnn: seven plain convolutions, a sixth of the work, no weights to start from."""
    weights: str = "imagenet"
    """As of the network; not looked at for posecnn."""


@dataclass
class SegmentationNetworkConfig(DepthNetworkConfig):
    """Encoder, decoders and head of a segmentation network; ``scales`` are those of the depth decoder."""

    decoder: Literal["monodepth2", "three_ways", "deeplabv3plus"] = "monodepth2"  # type: ignore[assignment]
    """The decoder of both tasks; with deeplabv3plus, depth has the three_ways decoder."""
    shared_blocks: int = 0
    """Decoder blocks, of ten and from the deepest, that depth and segmentation share, where a method learns both; 0:
    the encoder alone, 10: all but the heads."""
    gradient_scale: tuple[float, float] = (1.0, 1.0)
    """Factors of the gradients of depth and of segmentation in all that is shared."""
    exchange: Literal["none", "pad", "attention"] = "none"
    """The decoders of both tasks, where both are learned, tell each other their features: pad at one level, attention
    at those of levels 3, 2 and 1 that they do not share."""
    exchange_level: int = 2
    """With pad: the exchange happens after this level, 4 (the deepest) to 1; the papers' layer 7 is level 2."""
    side_output: bool = True
    """With pad: logits also from the exchange level, before the exchange."""
    head_levels: tuple[int, ...] = (0,)
    """Decoder levels that the head reads, 4 to 0; 5 is the encoder's deepest feature. Not of deeplabv3plus."""
    head_channels: int | None = None
    """Channels each of them is projected to, 0 for none (the level is classified as it is); null: 64, with pad 0."""
    head_hidden: bool = False
    """A 3 x 3 convolution with batch norm and ReLU in the head."""
    head_hidden_channels: int | None = None
    """Channels of that convolution; null: as many as ``head_channels``."""
    head_stride: int = 1
    """The head works at 1 / head_stride of the image size. With pad, both outputs stay there (as released)."""
    head_dropout: float = 0.1
    """Before the last convolution of a head that projects."""
    head_kernel: int = 1
    """Size of the head's last convolution, 1 or 3."""


@dataclass
class CordaNetworkConfig:
    """Encoder and variant of a CorDA network."""

    variant: Literal["gta", "synthia", "noatt", "multitask", "dacs"] = "synthia"
    """gta and synthia: the full network, first logits from the encoder or from the segmentation trunk; noatt: trunks
    without correlation; multitask: two heads on the encoder; dacs: segmentation alone."""
    encoder: str = DEEPLABV2
    """deeplabv2_resnet101, or a timm name or alias."""
    weights: str = "imagenet"
    """imagenet, offline, auto, none or a weights file; for deeplabv2_resnet101 also its COCO or Scale. files."""
    aspp_branches: int = 2
    """Dilated convolutions that the heads sum: 2 as released, or 4."""
    width: int = 256
    """Channels of the tasks' features."""
    feature_stride: int = 8
    """Stride of the feature that trunks and heads read: encoder features from there on, resized and joined. The
    DeepLab has one, of stride 8."""
    correlation: bool = True
    """Whether the tasks of gta and synthia tell each other their features. Without, difficulty is studied alone."""


@dataclass
class FrozenNetworkConfig:
    """The encoder, and the head on its features."""

    encoder: str = "efficientnet_lite0"
    """A timm name or alias."""
    weights: str = "auto"
    """imagenet, offline, auto, none or a weights file."""
    normalization: Normalization = "default"
    """default: the encoder's own mean and standard deviation; monodepth2: 0.45 and 0.225."""
    strides: tuple[int, ...] = (4, 8, 16, 32)
    """Which of the encoder's features the head reads."""
    width: int = 32
    """Channels each of them is projected to."""
    hidden: int = 64
    """Channels of the head's 3 x 3 convolution."""
    head_stride: int = 8
    """The head works at 1 / head_stride of the image size."""
    dropout: float = 0.1
    """Before the last convolution of the head."""
