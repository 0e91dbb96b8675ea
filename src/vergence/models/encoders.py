"""One encoder contract over timm: images in [0, 1] to feature maps of known channels and strides."""

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.weights import WeightSource, offline_file, read_package, read_state_dict, resolve_source
from vergence.settings.networks import Normalization

log = logging.getLogger("vergence")

MONODEPTH2_MEAN, MONODEPTH2_STD = (0.45,) * 3, (0.225,) * 3  # semhint 1.2, three_ways 2.1
ALIASES = {
    # The papers start from torchvision's first ImageNet weights; timm's default tags are other trainings.
    **{name: f"{name}.tv_in1k" for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "dinov2_vits14": "vit_small_patch14_dinov2",
    "dinov2_vitb14": "vit_base_patch14_dinov2",
    "dinov2_vitl14": "vit_large_patch14_dinov2",
    "dinov3_vits16": "vit_small_patch16_dinov3",
    "dinov3_vitb16": "vit_base_patch16_dinov3",
    "dinov3_vitl16": "vit_large_patch16_dinov3",
}
PREFIXES = ("", "network.encoder.backbone.", "encoder.backbone.", "backbone.", "encoder.", "model.", "module.")


class Encoder(nn.Module):
    """A backbone with its normalisation inside.

    ``channels`` and ``strides`` describe the feature maps, finest first; a dilated backbone repeats its last stride.
    """

    mean: Tensor
    std: Tensor
    without_weights = False
    """Weights were to be found ("auto"), and there were none: it starts from random ones."""

    def __init__(
        self,
        name: str,
        backbone: nn.Module,
        channels: Sequence[int],
        strides: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        frames: int = 1,
    ) -> None:
        super().__init__()
        self.name, self.frames, self.backbone = name, frames, backbone
        self.channels, self.strides = tuple(channels), tuple(strides)
        # Not in the state dict: constants of the configuration, not learned.
        self.register_buffer("mean", torch.tensor(mean).repeat(frames).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).repeat(frames).view(-1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 * self.frames:
            raise ValueError(f"images have shape {tuple(images.shape)}, expected (B, {3 * self.frames}, H, W)")
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3 * frames, H, W) in [0, 1] to one (B, channels[i], H / strides[i], W / strides[i]) a stride."""
        return cast(list[Tensor], self.backbone(self.normalise(images)))


class ViTEncoder(Encoder):
    """A plain vision transformer: tokens of four blocks, re-assembled to strides 4, 8, 16 and 32.

    The choice of blocks and strides is that of DPT (Ranftl et al., ICCV 2021), the common layer norm that of DINOv2's
    dense heads; resizing is bilinear and has no parameters, so that a frozen encoder stays what it was. Images of any
    size are resized to whole patches inside.
    """

    STRIDES = (4, 8, 16, 32)

    def __init__(self, name: str, backbone: Any, mean: Sequence[float], std: Sequence[float], frames: int = 1) -> None:
        self.blocks = [len(backbone.blocks) * part // 4 - 1 for part in range(1, 5)]
        self.patch = int(backbone.patch_embed.patch_size[0])
        super().__init__(name, backbone, (backbone.embed_dim,) * 4, self.STRIDES, mean, std, frames)

    def whole_patches(self, height: int, width: int) -> tuple[int, int]:
        """The size in whole patches at which images of this size are seen."""
        rows, columns = (max(round(size / self.patch), 1) * self.patch for size in (height, width))
        return rows, columns

    def fix_size(self, height: int, width: int) -> None:
        """From now on for images of this size alone: positions are resampled once, and no longer in every pass."""
        cast(Any, self.backbone).set_input_size(img_size=self.whole_patches(height, width))

    def forward(self, images: Tensor) -> list[Tensor]:
        height, width = images.shape[-2:]
        images = self.normalise(images)
        fitting = self.whole_patches(height, width)
        if fitting != (height, width):
            images = F.interpolate(images, size=fitting, mode="bilinear", align_corners=False, antialias=True)
        features = cast(Any, self.backbone).forward_intermediates(
            images, indices=self.blocks, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        sizes = [(-(-height // stride), -(-width // stride)) for stride in self.strides]
        return [
            F.interpolate(feature, size=size, mode="bilinear", align_corners=False)
            for feature, size in zip(features, sizes, strict=True)
        ]


def build_encoder(
    name: str = "resnet18",
    weights: str = "imagenet",
    frames: int = 1,
    output_stride: int | None = None,
    normalization: Normalization = "default",
) -> Encoder:
    """Build an encoder over any timm model with feature maps; where its weights come from is logged.

    Args:
        name: a timm name, with or without tag, or an alias (resnet18, resnet50, resnet101, efficientnet_lite0,
            convnext_tiny, dinov2_vits14, dinov3_vits16, ...).
        weights: "imagenet" (the hub or its cache), "offline" (an installed package), "none", "auto" (the first of
            cache, package, hub, none that works) or a file with the model's state dict.
        frames: images stacked on the channel axis; the stem's weights are repeated and divided by their number.
        output_stride: 8 or 16 replaces late strides by dilation (convolutional networks; three_ways 2.1).
        normalization: the model's own mean and standard deviation, or Monodepth2's (x - 0.45) / 0.225.

    Raises:
        InputError: for an unknown name, weights that cannot be had, or an output stride the model does not offer.
    """
    model = ALIASES.get(name, name)
    if not timm.is_model(model.split(".")[0]):
        near = difflib.get_close_matches(name, [*ALIASES, *timm.list_models()], n=1)
        hint = f"did you mean {near[0]}?" if near else "see timm.list_models()."
        raise InputError(f"encoder {name!r} is not known to timm; {hint}")
    if normalization not in ("default", "monodepth2"):
        raise InputError(f"normalization={normalization!r} is unknown; use default or monodepth2.")
    origin = resolve_source(model, weights)
    try:
        backbone = _backbone(model, origin, frames, output_stride)
    except InputError:
        if weights != "auto" or origin.kind != "hub":
            raise
        log.warning("the hub has no usable weights of %s just now; going on without it (weights=auto)", model)
        package = offline_file(model.split(".")[0])
        origin = WeightSource("package", package) if package else WeightSource("none")
        backbone = _backbone(model, origin, frames, output_stride)
    log.info("encoder %s: %s", model, origin)
    mean, std = MONODEPTH2_MEAN, MONODEPTH2_STD
    if normalization == "default":
        entry: Any = timm.get_pretrained_cfg(model)
        mean, std = (entry.mean, entry.std) if entry is not None else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    encoder: Encoder
    if _is_vit(model):
        encoder = ViTEncoder(model, backbone, mean, std, frames)
    else:
        info = cast(Any, backbone).feature_info
        encoder = Encoder(model, backbone, info.channels(), info.reduction(), mean, std, frames)
    encoder.without_weights = weights == "auto" and origin.kind == "none"
    return encoder


def repeat_stem(weight: Tensor, frames: int) -> Tensor:
    """First convolution (O, 3, k, k) for stacked frames (O, 3 * frames, k, k): repeated and divided by their number.

    A stack of identical images then gives the activations of one image (semhint 1.2, fact 23).
    """
    return weight.repeat(1, frames, 1, 1) / frames


def _is_vit(model: str) -> bool:
    return model.startswith(("vit_", "deit_", "deit3_", "eva"))


def _backbone(model: str, origin: WeightSource, frames: int, output_stride: int | None) -> nn.Module:
    settings: dict[str, Any] = {"in_chans": 3 * frames, "pretrained": origin.kind in ("hub", "cache")}
    if origin.kind == "cache":
        settings["pretrained_cfg_overlay"] = {"file": str(origin.path)}  # no question to the hub, so no waiting
    if _is_vit(model):
        if output_stride is not None:
            raise InputError(f"{model} is a vision transformer: output_stride does not apply; leave it out.")
        settings |= {"num_classes": 0, "dynamic_img_size": True}
    else:
        settings["features_only"] = True
    if output_stride is not None:
        settings["output_stride"] = output_stride
    try:
        backbone: Any = timm.create_model(model, **settings)
    except Exception as error:  # timm and the hub's client raise errors of many kinds for settings and downloads alike
        wanted = f"output_stride={output_stride}, {origin}"
        raise InputError(f"encoder {model} cannot be built with {wanted} ({error}); change these.") from error
    if _is_vit(model):
        indices = [len(backbone.blocks) * part // 4 - 1 for part in range(1, 5)]
        backbone.prune_intermediate_layers(indices, prune_norm=False, prune_head=True)
    if origin.path is not None and origin.kind in ("package", "file"):
        state = read_package(origin.path) if origin.kind == "package" else read_state_dict(origin.path)
        _load(backbone, state, frames, origin.path)
    return cast(nn.Module, backbone)


def _load(backbone: nn.Module, state: dict[str, Tensor], frames: int, path: Path) -> None:
    """Weights of the plain classifier into the feature network; the stem is repeated over the stacked frames.

    timm's feature networks write ``stages_0`` where the classifier has ``stages.0``; the classifier itself is dropped.
    """
    current = backbone.state_dict()
    flat = {name.replace(".", "_"): value for name, value in state.items()}
    wanted = {name: name.replace(".", "_") for name in current}
    tables = [{own_name: (prefix.replace(".", "_") + key) for own_name, key in wanted.items()} for prefix in PREFIXES]
    names = max(tables, key=lambda table: sum(key in flat for key in table.values()))
    missing = [name for name, key in names.items() if key not in flat]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the encoder's {len(current)} tensors, first {missing[0]}; "
            "use weights of that encoder."
        )
    chosen = {name: flat[key] for name, key in names.items()}
    for name, value in current.items():
        tensor = chosen[name]
        if tensor.ndim == 4 and frames > 1 and tensor.shape != value.shape and tensor.shape[1] == 3:
            tensor = chosen[name] = repeat_stem(tensor, frames)
        if tensor.shape != value.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, expected {tuple(value.shape)}; "
                "use weights of that encoder."
            )
    backbone.load_state_dict(chosen)
