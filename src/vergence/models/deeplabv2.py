"""The DeepLabv2 ResNet-101 that CorDA, DACS and their relatives start from (CorDA, 2.1), and its heads."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.weights import read_state_dict
from vergence.settings.networks import DEEPLABV2

log = logging.getLogger("vergence")
State = dict[str, Tensor]

CAFFE_MEAN = (122.67891434, 116.66876762, 104.00698793)  # of red, green and blue, in grey levels
BLOCKS = (3, 4, 23, 3)
DILATIONS = (6, 12, 18, 24)
PREFIXES = ("", "Scale.", "module.", "network.encoder.backbone.")
"""What published files, and ours, write before the backbone's tensor names."""


class CaffeBottleneck(Bottleneck):
    """timm's bottleneck as Caffe had it: the stride is in the first 1 x 1 convolution, every 3 x 3 is dilated."""

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        dilation: int = 1,
        first_dilation: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(inplanes, planes, 1, downsample, dilation=dilation, first_dilation=dilation, **settings)
        self.conv1.stride = (stride, stride)


class DeepLabResNet(ResNet):
    """At output stride 8, with max-pooling that rounds up; gives the deepest feature alone.

    Scale and shift of batch norm are frozen; its statistics are not: they follow the data in training.
    """

    def __init__(self) -> None:
        settings: dict[str, Any] = {"num_classes": 0, "output_stride": 8, "zero_init_last": False}
        super().__init__(CaffeBottleneck, BLOCKS, **settings)  # type: ignore[arg-type]  # timm means the class
        self.maxpool = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)  # type: ignore[assignment]
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:  # type: ignore[override]
        """Normalised images (B, 3, H, W), blue first, to one feature (B, 2048, h, w) of stride 8."""
        return [self.forward_features(x)]


class DeepLabEncoder(Encoder):
    """Takes RGB in [0, 1] as every encoder does; the backbone sees blue, green, red in grey levels less their means."""

    def __init__(self) -> None:
        mean = [value / 255 for value in CAFFE_MEAN]
        super().__init__(DEEPLABV2, DeepLabResNet(), (2048,), (8,), mean, (1 / 255,) * 3)

    def normalise(self, images: Tensor) -> Tensor:
        return super().normalise(images).flip(1)


class AtrousHead(nn.Module):
    """Parallel dilated 3 x 3 convolutions (6, 12, 18, 24), summed: DeepLabv2's spatial pyramid.

    The released CorDA, DACS and AdaptSegNet sum the first two only, and keep the parameters of the others, which then
    get no gradient (2.2): ``branches`` 2. As the paper means it: 4.
    """

    def __init__(self, inputs: int, outputs: int, branches: int = 2) -> None:
        super().__init__()
        if branches not in (2, 4):
            raise InputError(f"aspp_branches={branches} is not offered; use 2 (as released) or 4.")
        self.used = branches
        self.branches = nn.ModuleList(nn.Conv2d(inputs, outputs, 3, padding=rate, dilation=rate) for rate in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w)."""
        total: Tensor = self.branches[0](x)
        for branch in self.branches[1 : self.used]:
            total = total + branch(x)
        return total


def build_deeplab_encoder(weights: str = "none") -> DeepLabEncoder:
    """Build the backbone with its first weights.

    Args:
        weights: "none"; a file of a Caffe-style network (DeepLab trained on COCO, ImageNet files whose names start
            with ``Scale.``); or imagenet, offline, auto: torchvision's ResNet-101, whose stride is in the 3 x 3.

    Raises:
        InputError: for weights that cannot be had or are of another network.
    """
    encoder = DeepLabEncoder()
    state = encoder.backbone.state_dict()
    if weights in ("imagenet", "offline", "auto"):
        donor = build_encoder("resnet101", weights)
        encoder.backbone.load_state_dict(to_caffe_input(donor.backbone.state_dict(), donor.mean, donor.std))
        encoder.without_weights = donor.without_weights
    elif weights != "none":
        copied = copy_matching(state, read_state_dict(weights))
        learned = [name for name in state if not name.endswith("num_batches_tracked")]
        missing = [name for name in learned if name not in copied]
        if len(missing) > len(learned) // 2:
            raise InputError(
                f"{weights} has {len(learned) - len(missing)} of the {len(learned)} tensors of a DeepLabv2 ResNet-101, "
                f"and not {missing[0]}; give a file of that network."
            )
        if missing:
            log.warning("%s lacks %d tensors, first %s: they start at random", weights, len(missing), missing[0])
        encoder.backbone.load_state_dict(state | copied)
        log.info("encoder %s: %d of %d tensors from %s", DEEPLABV2, len(copied), len(state), weights)
    return encoder


def copy_matching(state: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> State:
    """Entries of ``given`` that have the name and shape of one of ``own``, under the names of ``own``.

    Names may have one of the known prefixes before them: the one that fits most is taken, for all.
    """
    candidates = [{name: weights[prefix + name] for name in state if prefix + name in weights} for prefix in PREFIXES]
    fitting = [{name: value for name, value in one.items() if value.shape == state[name].shape} for one in candidates]
    return max(fitting, key=len)


def to_caffe_input(state: Mapping[str, Tensor], mean: Tensor, std: Tensor) -> State:
    """A ResNet for (RGB - ``mean``) / ``std``, (3, 1, 1) each, as one for blue, green, red in grey levels less means.

    The stem's filters are scaled and turned round; the constant that is left goes into the statistics after it. Exact
    but for the image's border, where zeros mean something else.
    """
    stem = state["conv1.weight"]
    shift = (torch.tensor(CAFFE_MEAN, dtype=stem.dtype).view(-1, 1, 1) / 255 - mean) / std
    return dict(state) | {
        "conv1.weight": (stem / (255 * std)).flip(1),
        "bn1.running_mean": state["bn1.running_mean"] - (stem * shift).sum(dim=(1, 2, 3)),
    }
