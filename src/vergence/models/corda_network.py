"""CorDA's network: two tasks on one encoder that tell each other their features, with depth heads for two domains."""

from collections import Counter
from typing import TypedDict

import torch
import torch.nn.functional as F
from timm.models.resnet import Bottleneck, downsample_conv
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.deeplabv2 import AtrousHead, build_deeplab_encoder
from vergence.models.encoders import Encoder, ViTEncoder, build_encoder
from vergence.models.exchange import GatedCorrelation
from vergence.settings.networks import DEEPLABV2, CordaNetworkConfig

VARIANTS = ("gta", "synthia", "noatt", "multitask", "dacs")
TASKS = ("segmentation", "depth")


class CordaPrediction(TypedDict, total=False):
    """What the variant has, at the size of the feature; depth is linear, in units of its supervision."""

    logits: Tensor
    """(B, K, h, w)"""
    initial_logits: Tensor
    depth: Tensor
    """(B, 1, h, w), for the target domain."""
    source_depth: Tensor
    initial_depth: Tensor
    initial_source_depth: Tensor


OUTPUTS = {"segmentation": "logits", "depth": "depth", "source_depth": "source_depth"}


class JoinedFeatures(nn.Module):
    """The encoder's features of ``stride`` and coarser, resized to the finest of them, on one channel axis.

    Has no parameters, so that a frozen encoder stays what it was; a transformer's are resized to ``stride`` at once.
    """

    def __init__(self, encoder: Encoder, stride: int) -> None:
        super().__init__()
        if isinstance(encoder, ViTEncoder):
            encoder.strides = (stride,) * len(encoder.strides)
        levels = zip(encoder.channels, encoder.strides, strict=True)
        chosen = [channels for channels, level_stride in levels if level_stride >= stride] or [encoder.channels[-1]]
        self.count, self.channels = len(chosen), sum(chosen)

    def forward(self, features: list[Tensor]) -> Tensor:
        """A list of maps, finest first, to (B, channels, h, w)."""
        first, *others = features[-self.count :]
        size = first.shape[-2:]
        resized = [F.interpolate(other, size=size, mode="bilinear", align_corners=False) for other in others]
        return torch.cat((first, *resized), dim=1) if others else first


class CordaNetwork(nn.Module):
    """Images (B, 3, H, W), RGB in [0, 1], to predictions of the variant (CorDA, section 2.3).

    Modules by name of the task, or of its head: "segmentation", "depth" (target) and "source_depth".
    """

    def __init__(
        self,
        encoder: Encoder,
        join: JoinedFeatures,
        trunks: nn.ModuleDict,
        initial: nn.ModuleDict,
        correlation: GatedCorrelation | None,
        heads: nn.ModuleDict,
    ) -> None:
        super().__init__()
        self.encoder, self.join = encoder, join
        self.trunks, self.initial, self.correlation, self.heads = trunks, initial, correlation, heads

    def forward(self, images: Tensor) -> CordaPrediction:
        """Encode and :meth:`decode`."""
        return self.decode(self.encode(images))

    def encode(self, images: Tensor) -> Tensor:
        """The feature (B, C, h, w) that everything else reads."""
        feature: Tensor = self.join(self.encoder(images))
        return feature

    def decode(self, feature: Tensor) -> CordaPrediction:
        """Predictions from the feature."""
        prediction = {}
        tasks = {task: self.trunks[task](feature) if self.trunks else feature for task in TASKS}
        for name, head in self.initial.items():
            whole = isinstance(head, AtrousHead)  # reads the encoder's feature, past the trunk
            prediction[f"initial_{OUTPUTS[name]}"] = head(feature if whole else tasks[_task(name)])
        if self.correlation is not None:
            tasks = dict(zip(TASKS, self.correlation(*tasks.values()), strict=True))
        for name, head in self.heads.items():
            prediction[OUTPUTS[name]] = head(tasks[_task(name)])
        return prediction  # type: ignore[return-value]

    def parts(self) -> dict[str, list[nn.Module]]:
        """Modules for parameter groups: what starts from weights, and what is new (the paper's tenfold rate).

        Each parameter is listed once; see :meth:`released_entries`.
        """
        new = [self.trunks, self.initial, self.correlation, self.heads]
        return {"encoder": [self.encoder], "heads": [module for module in new if module is not None]}

    def released_entries(self) -> dict[Tensor, int]:
        """How often the released program lists each trainable parameter of the encoder: once per module around it.

        Those of blocks stand there three or four times and learn about three times as fast as the paper says (1.4).
        """
        around = [module for part in self.encoder.backbone.children() for module in part.modules()]
        return Counter(value for module in around for value in module.parameters() if value.requires_grad)


def build_corda_network(config: CordaNetworkConfig, classes: int) -> CordaNetwork:
    """Build from settings.

    New convolutions start from N(0, 0.01), the paper's way (section 1.4).

    Raises:
        InputError: where the encoder or its weights cannot be had or a setting is unknown.
    """
    variant, width, branches = config.variant, config.width, config.aspp_branches
    if variant not in VARIANTS:
        raise InputError(f"variant={variant!r} is unknown; use {', '.join(VARIANTS)}.")
    if width < 4 or width % 4:
        raise InputError(f"width={width} must be a multiple of 4, such as the paper's 256.")
    if config.feature_stride < 1:
        raise InputError(f"feature_stride={config.feature_stride} must be at least 1, such as 8.")
    deeplab = config.encoder == DEEPLABV2
    encoder = build_deeplab_encoder(config.weights) if deeplab else build_encoder(config.encoder, config.weights)
    join = JoinedFeatures(encoder, config.feature_stride)
    trunks, initial, correlation, inputs = nn.ModuleDict(), nn.ModuleDict(), None, join.channels
    names = {"dacs": TASKS[:1], "multitask": TASKS, "noatt": TASKS}.get(variant, tuple(OUTPUTS))
    if variant in ("gta", "synthia", "noatt"):
        trunks = nn.ModuleDict({task: task_trunk(inputs, width) for task in TASKS})
        inputs = width
    if variant in ("gta", "synthia"):
        correlation = GatedCorrelation(width) if config.correlation else None
        initial = nn.ModuleDict({name: nn.Conv2d(width, _outputs(name, classes), 1) for name in names})
    if variant == "gta":
        initial["segmentation"] = AtrousHead(join.channels, classes, branches)
    heads = nn.ModuleDict({name: AtrousHead(inputs, _outputs(name, classes), branches) for name in names})
    network = CordaNetwork(encoder, join, trunks, initial, correlation, heads)
    for part in network.parts()["heads"]:
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
    return network


def task_trunk(inputs: int, width: int) -> nn.Sequential:
    """Two bottlenecks; the first has a 1 x 1 convolution in its shortcut."""
    inner = width // Bottleneck.expansion
    shortcut = downsample_conv(inputs, width, kernel_size=1)
    return nn.Sequential(Bottleneck(inputs, inner, downsample=shortcut), Bottleneck(width, inner))


def _task(name: str) -> str:
    return "segmentation" if name == "segmentation" else "depth"


def _outputs(name: str, classes: int) -> int:
    return classes if name == "segmentation" else 1
