"""Which network an official Three Ways state dict is of, told by its tensors."""

import colorsys
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vergence.data.labels import CITYSCAPES_19
from vergence.errors import InputError
from vergence.methods import Method
from vergence.models.decoders import LEVELS
from vergence.models.depth_network import DepthNetwork
from vergence.models.official_three_ways import ENTRIES, TOP_LAYER, load_official_three_ways
from vergence.models.pose import PoseNetwork
from vergence.models.segmentation_network import MultiTaskNetwork
from vergence.models.weights import read_state_dict, resnet_name
from vergence.runs.config import RunConfig, config_from_dict

_log = logging.getLogger("vergence")
State = dict[str, Tensor]

PARTS = ("encoder", "depth", "pose_encoder", "pose")
"""Files of a depth model that is stored part by part, in which names lack ``models.`` and the part."""
_DEPTH, _SEGMENTATION, _PAD = "models.depth.", "models.segmentation.", "models.mtl_decoder."
_SUFFIXES = (".pth", ".pt", ".pkl", ".safetensors")
_SIZE = {"height": 512, "width": 1024}  # the paper's; a network of any size has the same tensors


def read_three_ways(weights: Sequence[Path]) -> tuple[RunConfig, Callable[[Method], None]]:
    """Settings of the network in the given files, and what fills a method of these settings.

    A file is a whole state dict, or one part of a depth model (encoder, depth, pose_encoder, pose).

    Raises:
        InputError: files that are missing or unreadable, or tensors that make no Three Ways network.
    """
    state: State = {}
    for path in _files(weights):
        part, tensors = path.stem.removeprefix("mono_"), read_state_dict(path)
        whole = any(name.startswith("models.") for name in tensors)
        if not whole and part not in PARTS:
            raise InputError(f"{path} holds no tensors called models.*; give a Three Ways state dict.")
        state |= tensors if whole else {f"models.{part}.{name}": value for name, value in tensors.items()}
    config = _settings(state)

    def fill(method: Method) -> None:
        network, pose = method.network, getattr(method, "pose", None)
        assert isinstance(network, DepthNetwork | MultiTaskNetwork)
        has_pose = isinstance(pose, PoseNetwork) and any(name.startswith("models.pose") for name in state)
        load_official_three_ways(network, state, pose if has_pose else None)

    return config, fill


def _files(weights: Sequence[Path]) -> list[Path]:
    for path in weights:
        if not path.exists():
            raise InputError(f"{path} does not exist; give a Three Ways state dict, or the folder that holds it.")
    files: list[Path] = []
    for path in weights:
        files += (
            sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        )
    if not files:
        paths = ", ".join(map(str, weights))
        raise InputError(f"{paths} holds no file {', '.join(_SUFFIXES)}; give a Three Ways state dict.")
    return files


def _settings(state: State) -> RunConfig:
    pad, segmentation = _part(state, _PAD), _part(state, _SEGMENTATION)
    depth = _part(state, _PAD + "depth_dec.") if pad else _part(state, _DEPTH)
    decoder = _part(pad, "seg_dec.") or _part(segmentation, "unet_dec.") or depth
    if not decoder:
        raise InputError("the state dict has neither models.depth nor a segmentation decoder; give a whole network's.")
    if depth and not any(name.startswith("models.pose.") for name in state):
        _log.warning("the files have no pose network: that of the run is untrained, all else is as published")
    network = _encoder(state) | _decoder(decoder)
    method = "three_ways" if pad or segmentation else "depth"
    options: dict[str, Any] = {**_SIZE, "offsets": [-1, 1] if depth else []}
    section: dict[str, Any] = {"network": network, "pose": {"encoder": "resnet18", "weights": "none"}}
    if method == "three_ways":
        network |= _pad(pad, network) if pad else _head(segmentation)
        last = _shape(pad, "seg_final_head.0.weight") if pad else _last_shape(segmentation)
        options["label_space"] = official_label_space(last[0])
        section |= {"multi_task": bool(depth), "teacher": False}
    sections = {"recipe": "three_ways", "method": method, "frames": {"options": options}, method: section}
    return config_from_dict(sections, origin="the official weights")


def _part(state: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _shape(state: State, name: str) -> tuple[int, ...]:
    if name not in state:
        raise InputError(f"the state dict lacks {name}; give a whole Three Ways network's.")
    return tuple(state[name].shape)


def _encoder(state: State) -> dict[str, Any]:
    encoder = resnet_name(_part(state, "models.encoder."), "the state dict")
    return {"encoder": encoder, "normalization": "monodepth2", "weights": "none"}


def _decoder(decoder: State) -> dict[str, Any]:
    """Dilation leaves no trace in tensors: the published networks have it where they have a spatial pyramid."""
    entries = [ENTRIES - 1, *(3 * (LEVELS - 1 - level) + 2 for level in range(1, LEVELS))]
    widths = [_shape(decoder, f"decoder.{entry}.block.0.conv.weight")[0] for entry in entries]
    pyramid = "decoder.0.convs.0.0.weight" in decoder
    return {
        "decoder": "three_ways" if pyramid else "monodepth2",
        "decoder_widths": widths,
        "output_stride": 16 if pyramid else None,
        "decoder_batchnorm": "decoder.2.block.1.weight" in decoder,
    }


def _pad(pad: State, network: Mapping[str, Any]) -> dict[str, Any]:
    """The exchange level is one of its width: the published 2 where that fits."""
    widths, channels = network["decoder_widths"], _shape(pad, "sa_depth.conv.weight")[0]
    fitting = [level for level in (2, 3, 4, 1) if widths[level] == channels]
    if not fitting:
        raise InputError(f"no decoder level, of {widths}, has the exchange's {channels} channels; the file is damaged.")
    side = "seg_intermediate_head.0.weight" in pad
    return {"exchange": "pad", "exchange_level": fitting[0], "side_output": side}


def _head(segmentation: State) -> dict[str, Any]:
    """The head's stride leaves no trace: 2 in the selection student, which reads level 1 alone, else 1."""
    layers = [int(match[1]) for name in segmentation if (match := re.fullmatch(r"project\.seg(\d)\.0\.weight", name))]
    levels = [TOP_LAYER - layer for layer in layers]
    width = _shape(segmentation, f"project.seg{(layers or [TOP_LAYER])[0]}.0.weight")[0]
    return {
        "head_levels": levels,
        "head_channels": width,
        "head_hidden": "head.5.weight" in segmentation,
        "head_stride": 2 if levels == [1] else 1,
    }


def _last_shape(segmentation: State) -> tuple[int, ...]:
    return _shape(segmentation, "head.5.weight" if "head.5.weight" in segmentation else "head.2.weight")


def official_label_space(classes: int) -> str:
    """Cityscapes for 19 classes; others have no names in the file, so they are numbered."""
    if classes == len(CITYSCAPES_19):
        return CITYSCAPES_19.name
    colours = (colorsys.hsv_to_rgb(index / classes, 0.6, 0.9) for index in range(classes))
    named = [
        f"class {index}#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
        for index, (red, green, blue) in enumerate(colours)
    ]
    return f"official{classes}:{','.join(named)}"
