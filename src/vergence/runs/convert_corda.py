"""Which network an official CorDA or DACS state dict is of, told by its tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vergence.errors import InputError
from vergence.methods import Method
from vergence.models.corda_network import CordaNetwork
from vergence.models.official_corda import load_official_corda
from vergence.models.weights import read_state_dict
from vergence.runs.config import RunConfig, config_from_dict
from vergence.runs.convert_three_ways import official_label_space
from vergence.settings.networks import DEEPLABV2

State = dict[str, Tensor]

_SIZE = {"height": 512, "width": 1024}  # frames of the target, 1.4; a network of any size has the same tensors
_SUFFIXES = (".pth", ".pt", ".safetensors")
_FIRST_HEAD = "initial_task_prediction_heads.conv_out.S."


def read_corda(weights: Sequence[Path]) -> tuple[RunConfig, Callable[[Method], None]]:
    """Settings of the network in the given file, and what fills a method of these settings.

    The file is a state dict, or a checkpoint that has one called ``model`` (the student's).

    Raises:
        InputError: a file that is missing or unreadable, or tensors that make no network of CorDA or DACS.
    """
    path = _file(weights)
    state = {name.removeprefix("module."): value for name, value in read_state_dict(path).items()}
    config = _settings(state, path)

    def fill(method: Method) -> None:
        assert isinstance(method.network, CordaNetwork)
        load_official_corda(method.network, state)

    return config, fill


def _file(weights: Sequence[Path]) -> Path:
    files = [path for one in weights for path in (sorted(one.iterdir()) if one.is_dir() else [one])]
    files = [path for path in files if path.suffix.lower() in _SUFFIXES or path in weights]
    if len(files) != 1:
        paths = ", ".join(map(str, weights))
        raise InputError(f"{paths}: {len(files)} files of weights; give the one state dict of CorDA or DACS.")
    return files[0]


def _settings(state: State, path: Path) -> RunConfig:
    variant, head = _variant(state, path)
    network = {"variant": variant, "encoder": DEEPLABV2, "weights": "none"}
    section: dict[str, Any] = {"network": network, "depth": variant != "dacs"}
    if variant not in ("gta", "synthia"):
        section["difficulty"] = "off"  # takes two depth decoders
    options = {**_SIZE, "offsets": [], "label_space": official_label_space(len(state[head]))}
    sections = {"recipe": "corda", "method": "corda", "frames": {"options": options}, "corda": section}
    return config_from_dict(sections, origin="the official weights")


def _variant(state: State, path: Path) -> tuple[str, str]:
    """The variant and the bias that has a value for each class."""
    if "layer5.conv2d_list.0.bias" in state:
        return "dacs", "layer5.conv2d_list.0.bias"
    head = "heads.S.conv2d_list.0.bias"
    if head not in state:
        raise InputError(
            f"{path} has neither heads.S nor layer5, the heads of CorDA and DACS; give a state dict of one."
        )
    if f"{_FIRST_HEAD}conv2d_list.0.bias" in state:
        return "gta", head
    if f"{_FIRST_HEAD}bias" in state:
        return "synthia", head
    trunks = any(name.startswith("initial_task_prediction_heads.layers.") for name in state)
    return ("noatt" if trunks else "multitask"), head
