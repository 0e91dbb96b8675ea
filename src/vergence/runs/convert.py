"""Official weights as a run folder, so that every verb takes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vergence.errors import InputError, nearest
from vergence.methods import Method
from vergence.methods.depth import DepthMethod
from vergence.models.pose import PoseNetwork
from vergence.models.pretrained import load_official_monodepth2, load_official_pose
from vergence.models.weights import read_state_dict, resnet_name
from vergence.runs.checkpoint import build_method, write_checkpoint
from vergence.runs.config import RunConfig, config_from_dict
from vergence.runs.convert_corda import read_corda
from vergence.runs.convert_three_ways import read_three_ways
from vergence.runs.folder import RunFolder
from vergence.runs.model_card import describe_scale

State = dict[str, Tensor]

_NEEDED = ("encoder", "depth")
_FILES = (*_NEEDED, "pose_encoder", "pose")


def convert(weights: Sequence[Path], out: Path, family: str = "monodepth2") -> Path:
    """Write a run folder, step 0, with official weights; returns it.

    Args:
        weights: for monodepth2 ``encoder.pth``, ``depth.pth`` and, for a model of video, ``pose_encoder.pth`` and
            ``pose.pth``, or the folder that holds them. For three_ways the state dict of a network (segmentation,
            multi-task or depth), or the parts of a depth model as above. For corda the one state dict of a network of
            CorDA or DACS.
        family: monodepth2, three_ways or corda.

    Raises:
        InputError: unknown family, missing or unreadable files, tensors that are not that family's, ``out`` exists.
    """
    if family not in FAMILIES:
        hint = nearest(family, list(FAMILIES))
        raise InputError(f"family {family!r} is unknown{hint}; weights can be converted from {', '.join(FAMILIES)}.")
    run = RunFolder(out)
    run.check_new()
    config, fill = FAMILIES[family](weights)
    method = build_method(config, "loading")
    fill(method)
    run.write_recipe(config.to_dict())
    write_checkpoint(run, 0, config, method.state_dict(), {}, {}, scale=describe_scale(method))
    return out


def _read_monodepth2(weights: Sequence[Path]) -> tuple[RunConfig, Callable[[Method], None]]:
    """Settings of the network in the files, and what fills a method of these settings."""
    files = _find(weights)
    states = {part: read_state_dict(path) for part, path in files.items()}

    def fill(method: Method) -> None:
        assert isinstance(method, DepthMethod)
        load_official_monodepth2(method.network, states["encoder"], states["depth"])
        if isinstance(method.pose, PoseNetwork):
            load_official_pose(method.pose, states["pose_encoder"], states["pose"])

    return _settings(states, _plain_entries(files["encoder"])), fill


FAMILIES = {"monodepth2": _read_monodepth2, "three_ways": read_three_ways, "corda": read_corda}


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
            paths = ", ".join(map(str, weights))
            raise InputError(f"{paths} lacks {part}.pth; give the files of a Monodepth2 model, or their folder.")
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
    encoder = resnet_name(states["encoder"], "encoder.pth")
    pose = resnet_name(states["pose_encoder"], "pose_encoder.pth") if "pose" in states else encoder
    options = {"height": plain.get("height", 192), "width": plain.get("width", 640)}
    sections = {
        "recipe": "monodepth2",
        "method": "depth",
        "frames": {"options": {**options, "offsets": offsets, "require": "all"}},
        "network": {"encoder": encoder, "normalization": "monodepth2", "weights": "none"},
        "pose": {"encoder": pose, "weights": "none"},
        "evaluate": {"protocol": "eigen"},
    }
    return config_from_dict(sections, origin="the official weights")


def _plain_entries(path: Path) -> dict[str, Any]:
    """height, width and use_stereo beside the tensors of a file that :func:`read_state_dict` has already accepted."""
    if path.suffix.lower() == ".safetensors":
        return {}
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return {key: value for key, value in loaded.items() if isinstance(value, int | bool)}
