"""One encoder contract over timm: images in [0, 1] to feature maps of known channels and strides."""

import difflib
import logging
from pathlib import Path
from typing import Any, Literal, cast

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.weights import read_offline, read_state_dict, resolve_source

log = logging.getLogger("vergence")

ALIASES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "dinov2_vits14": "vit_small_patch14_dinov2",
    "dinov2_vitb14": "vit_base_patch14_dinov2",
    "dinov3_vits16": "vit_small_patch16_dinov3",
    "dinov3_vitb16": "vit_base_patch16_dinov3",
}
VIT_STRIDES = (4, 8, 16, 32)


class Encoder(nn.Module):
    """A timm backbone with normalisation inside.

    ``channels`` and ``strides`` describe the feature maps, finest first. Input (B, 3 * frames, H, W) in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, backbone: nn.Module, mean: Any, std: Any, frames: int = 1) -> None:
        super().__init__()
        self.name, self.frames, self.backbone = name, frames, backbone
        info = cast(Any, backbone).feature_info
        self.channels: tuple[int, ...] = tuple(info.channels())
        self.strides: tuple[int, ...] = tuple(info.reduction())
        self.register_buffer("mean", torch.tensor(mean).repeat(frames).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).repeat(frames).view(-1, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 * self.frames:
            raise ValueError(f"images have shape {tuple(images.shape)}, expected (B, {3 * self.frames}, H, W)")
        return (images - self.mean) / self.std

    def forward(self, images: Tensor) -> list[Tensor]:
        return cast(list[Tensor], self.backbone(self.normalise(images)))


class ViTEncoder(Encoder):
    """A plain vision transformer: four blocks' tokens, resized to strides 4, 8, 16 and 32 (as DPT reassembles them)."""

    def __init__(self, name: str, backbone: nn.Module, mean: Any, std: Any) -> None:
        super().__init__(name, backbone, mean, std)
        self.patch: int = self.strides[0]
        self.strides = VIT_STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        height, width = images.shape[-2:]
        images = self.normalise(images)
        fitting = tuple(max(round(size / self.patch), 1) * self.patch for size in (height, width))
        if fitting != (height, width):
            images = F.interpolate(images, size=fitting, mode="bilinear", align_corners=False, antialias=True)
        features = self.backbone(images)
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
    normalization: Literal["default", "monodepth2"] = "default",
) -> Encoder:
    """Build an encoder over any timm model with feature maps.

    Args:
        name: a timm name or an alias (resnet18, resnet50, resnet101, efficientnet_lite0, convnext_tiny, dinov2_vits14,
            dinov3_vits16, ...).
        weights: "imagenet" (the hub), "offline" (an installed package), "none", "auto" (the first that works) or a file.
        frames: images stacked on the channel axis; the stem's weights are repeated and divided by their number.
        output_stride: 8 or 16 replaces late strides by dilation (convolutional networks).
        normalization: the model's own mean and std, or Monodepth2's (x - 0.45) / 0.225.

    Raises:
        InputError: for an unknown name, weights that cannot be had, or an output stride the model does not offer.
    """
    model = ALIASES.get(name, name)
    if not timm.is_model(model.split(".")[0]):
        near = difflib.get_close_matches(name, [*ALIASES, *timm.list_models()], n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see timm.list_models()."
        raise InputError(f"encoder {name!r} is not known to timm{hint}")
    source = weights if Path(weights).is_file() else resolve_source(model, weights)
    backbone, vit = _backbone(model, source == "imagenet", frames, output_stride)
    if source == "offline":
        names = list(timm.create_model(model).state_dict())
        _load(backbone, read_offline(model, names), frames, model)
    elif source not in ("imagenet", "none"):
        _load(backbone, read_state_dict(source), frames, source)
    origin = {"imagenet": "ImageNet weights from the hub", "none": "random weights"}.get(source, f"weights: {source}")
    log.info("encoder %s: %s", model, origin)
    mean, std = ((0.45,) * 3, (0.225,) * 3)
    if normalization == "default":
        entry = timm.get_pretrained_cfg(model)
        mean, std = (entry.mean, entry.std) if entry is not None else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return ViTEncoder(model, backbone, mean, std) if vit else Encoder(model, backbone, mean, std, frames)


def _backbone(model: str, pretrained: bool, frames: int, output_stride: int | None) -> tuple[nn.Module, bool]:
    settings: dict[str, Any] = {"features_only": True, "pretrained": pretrained, "in_chans": 3 * frames}
    vit = model.startswith(("vit_", "deit", "eva"))
    if vit:
        if frames != 1 or output_stride is not None:
            raise InputError(f"{model} is a ViT: frames and output_stride do not apply; leave them at their defaults.")
        depth = len(timm.create_model(model, img_size=224 // 14 * 14).blocks)
        settings |= {"out_indices": [depth * part // 4 - 1 for part in range(1, 5)], "dynamic_img_size": True}
        if "dinov3" in model:
            settings.pop("dynamic_img_size")  # rotary positions: any size as it is
    if output_stride is not None:
        settings["output_stride"] = output_stride
    try:
        return timm.create_model(model, **settings), vit
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"encoder {model} cannot be built with output_stride {output_stride}: {error}.") from error


def _load(backbone: nn.Module, state: dict[str, Tensor], frames: int, origin: str) -> None:
    """Weights of the plain classifier into the feature network; the stem is repeated over the stacked frames."""
    own = backbone.state_dict()
    missing = sorted(set(own) - set(state))
    if missing:
        raise InputError(f"weights {origin} lack {len(missing)} tensors of the encoder, first {missing[0]}; use others.")
    chosen = {name: state[name] for name in own}
    for name, value in own.items():
        if chosen[name].shape != value.shape and chosen[name].ndim == 4 and frames > 1:
            chosen[name] = repeat_stem(chosen[name], frames)
        if chosen[name].shape != value.shape:
            raise InputError(
                f"weights {origin}: {name} has shape {tuple(chosen[name].shape)}, expected {tuple(value.shape)}; use others."
            )
    backbone.load_state_dict(chosen)


def repeat_stem(weight: Tensor, frames: int) -> Tensor:
    """First convolution (O, 3, k, k) for stacked frames (O, 3 * frames, k, k): repeated and divided by their number."""
    return weight.repeat(1, frames, 1, 1) / frames
