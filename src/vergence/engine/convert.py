"""Official weights as a run folder, so that every verb takes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from vergence.data.atomic import write_text
from vergence.data.table import nearest
from vergence.engine.checkpoint import build_method, write_checkpoint
from vergence.engine.config import RunConfig, config_from_dict
from vergence.engine.state import check_folder, describe_scale
from vergence.errors import InputError
from vergence.methods.depth import DepthMethod
from vergence.models.pose import PoseNetwork
from vergence.models.pretrained import load_official_monodepth2, load_official_pose
from vergence.models.weights import read_state_dict

State = dict[str, Tensor]

FAMILIES = ("monodepth2",)
_NEEDED = ("encoder", "depth")
_FILES = (*_NEEDED, "pose_encoder", "pose")
_LAYERS = {(False, 2): "resnet18", (False, 6): "resnet34", (True, 6): "resnet50", (True, 23): "resnet101"}


def convert(weights: Sequence[Path], out: Path, family: str = "monodepth2") -> Path:
    """Write a run folder, step 0, with the official Monodepth2 weights; returns it.

    Args:
        weights: ``encoder.pth``, ``depth.pth`` and, for a model of video, ``pose_encoder.pth`` and ``pose.pth``, or
            the folder that holds them.

    Raises:
        InputError: unknown family, missing or unreadable files, tensors that are not Monodepth2's, ``out`` exists.
    """
    if family not in FAMILIES:
        hint = nearest(family, FAMILIES)
        raise InputError(f"family {family!r} is unknown{hint}; weights can be converted from {', '.join(FAMILIES)}.")
    check_folder(out, resume=False)
    files = _find(weights)
    states = {part: read_state_dict(path) for part, path in files.items()}
    config = _settings(states, _plain_entries(files["encoder"]))
    method = build_method(config, "loading")
    assert isinstance(method, DepthMethod)
    load_official_monodepth2(method.network, states["encoder"], states["depth"])
    if isinstance(method.pose, PoseNetwork):
        load_official_pose(method.pose, states["pose_encoder"], states["pose"])
    write_text(out / "recipe.yaml", yaml.safe_dump(config.to_dict(), sort_keys=False))
    write_checkpoint(out, 0, config, method.state_dict(), {}, {}, scale=describe_scale(method))
    return out


def _find(weights: Sequence[Path]) -> dict[str, Path]:
    """Files by part, told by their names."""
    for one in weights:
        if not one.exists():
            raise InputError(f"{one} does not exist; give the files of a Monodepth2 model, or their folder.")
    listed = [path for one in weights for path in (sorted(one.glob("*.pth")) if one.is_dir() else [one])]
    files: dict[str, Path] = {}
    for path in listed:
        if path.stem in _FILES:
            files[path.stem] = path
        elif path in weights:
            raise InputError(f"{path} is not one of Monodepth2's files {', '.join(f'{name}.pth' for name in _FILES)}.")
    for part in _NEEDED:
        if part not in files:
            place = ", ".join(map(str, weights))
            raise InputError(f"{place} lacks {part}.pth; give the files of a Monodepth2 model, or their folder.")
    if ("pose" in files) != ("pose_encoder" in files):
        raise InputError(f"{files['encoder'].parent}: pose.pth and pose_encoder.pth belong together; give both.")
    return files


def _settings(states: Mapping[str, State], plain: Mapping[str, Any]) -> RunConfig:
    """Network sizes from the tensors, working size and stereo from the plain entries of ``encoder.pth``."""
    offsets: list[int | str] = [-1, 1] if "pose" in states else []
    if plain.get("use_stereo"):
        offsets.append("s")
    if not offsets:
        raise InputError(
            "a model of video has pose_encoder.pth and pose.pth; give them beside encoder.pth and depth.pth."
        )
    sections = {
        "recipe": "monodepth2",
        "method": "depth",
        "frames": {
            "options": {
                "height": plain.get("height", 192), "width": plain.get("width", 640), "offsets": offsets,
                "require": "all",
            }
        },
        "depth": {
            "network": {"encoder": _resnet(states["encoder"]), "normalization": "monodepth2", "weights": "none"},
            "pose": {"encoder": _resnet(states.get("pose_encoder", states["encoder"])), "weights": "none"},
        },
        "evaluate": {"protocol": "eigen"},
    }  # fmt: skip
    return config_from_dict(sections, origin="the official weights")


def _resnet(state: Mapping[str, Tensor]) -> str:
    """Which ResNet a state dict is of: kind of blocks, and their number in the third layer."""
    bottleneck = any(".layer1.0.conv3." in f".{name}" for name in state)
    blocks = {name.split("layer3.")[1].split(".")[0] for name in state if "layer3." in name}
    name = _LAYERS.get((bottleneck, len(blocks)))
    if name is None:
        raise InputError("encoder.pth is of no ResNet-18, 34, 50 or 101; give the files of a Monodepth2 model.")
    return name


def _plain_entries(path: Path) -> dict[str, Any]:
    """height, width and use_stereo beside the tensors of a file that :func:`read_state_dict` has already accepted."""
    if path.suffix == ".safetensors":
        return {}
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value for key, value in loaded.items() if isinstance(value, int | bool)}
