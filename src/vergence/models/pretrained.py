"""Official weights into our networks, strictly: every tensor is used or known to be unused.

The names on the left are facts about published files; each official name maps to exactly one of ours.
"""

import re
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.depth_network import DepthNetwork
from vergence.models.pose import PoseNetwork
from vergence.models.weights import read_state_dict

State = dict[str, Tensor]


def _encoder_name(official: str) -> str | None:
    """``encoder.layer1.0.conv1.weight`` to ours; the classifier is kept in official files and not used."""
    name = official.removeprefix("encoder.")
    return None if name.startswith("fc.") else f"backbone.{name}"


def _depth_decoder_name(official: str) -> str | None:
    """The decoder list in file order: levels 4 to 0, two blocks each, then the heads of scales 0 to 3."""
    match = re.fullmatch(r"decoder\.(\d+)\.(?:conv\.conv|conv)\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    index, kind = int(match[1]), match[2]
    if index < 10:
        part = "first" if index % 2 == 0 else "second"
        return f"{part}.{4 - index // 2}.conv.{kind}"
    return f"heads.{index - 10}.{kind}"


def _pose_head_name(official: str) -> str | None:
    match = re.fullmatch(r"net\.(\d)\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    return f"{('squeeze', 'first', 'second', 'last')[int(match[1])]}.{match[2]}"


def load_mapped(module: nn.Module, state: State, rename: Callable[[str], str | None], what: str) -> None:
    """Load ``state`` under our names; InputError unless both sides match tensor for tensor."""
    own, renamed = module.state_dict(), {}
    for name, value in state.items():
        try:
            target = rename(name)
        except (KeyError, IndexError):
            raise InputError(f"{what}: {name} is not a tensor of that network; check which file it is.") from None
        if target is not None:
            renamed[target] = value
    missing, unknown = sorted(set(own) - set(renamed)), sorted(set(renamed) - set(own))
    if missing or unknown:
        first = f"lacks {missing[0]}" if missing else f"has {unknown[0]} in excess"
        raise InputError(f"{what}: {len(missing)} tensors are missing and {len(unknown)} unknown ({first}); use its file.")
    for name, value in own.items():
        if value.shape != renamed[name].shape:
            raise InputError(
                f"{what}: {name} has shape {tuple(renamed[name].shape)}, expected {tuple(value.shape)}; "
                "it belongs to another network size."
            )
    module.load_state_dict(renamed)


def load_official_monodepth2(network: DepthNetwork, encoder: State, decoder: State) -> None:
    """Official Monodepth2 ``encoder.pth`` and ``depth.pth`` (plain entries height, width, use_stereo removed)."""
    load_mapped(network.encoder, encoder, _encoder_name, "Monodepth2 encoder")
    load_mapped(network.decoder, decoder, _depth_decoder_name, "Monodepth2 depth decoder")


def load_official_pose(pose: PoseNetwork, encoder: State, head: State) -> None:
    """Official Monodepth2 ``pose_encoder.pth`` and ``pose.pth``."""
    load_mapped(pose.encoder, encoder, _encoder_name, "Monodepth2 pose encoder")
    load_mapped(pose.head, head, _pose_head_name, "Monodepth2 pose decoder")


PREFIXES = {"encoder": ("network.encoder.",), "decoder": ("network.decoder.",), "pose": ("pose.", "intrinsics_head.")}


def load_parts(method: nn.Module, source: str | Path, parts: tuple[str, ...]) -> None:
    """Copy some parts (encoder, decoder, pose) of a stored run or weights file into a depth method.

    Raises:
        InputError: for an unknown part, or a tensor that is missing or of another shape.
    """
    path = Path(source)
    if path.is_dir():
        latest = path / "checkpoints" / "LATEST"
        path = path / "checkpoints" / latest.read_text().strip() / "model.safetensors" if latest.is_file() else path
    state, own = read_state_dict(path), method.state_dict()
    for part in parts:
        if part not in PREFIXES:
            raise InputError(f"initialize_parts: {part!r} is unknown; use {', '.join(PREFIXES)}.")
        for name in (name for name in own if name.startswith(PREFIXES[part])):
            if name not in state or state[name].shape != own[name].shape:
                raise InputError(f"{path} has no tensor {name} of shape {tuple(own[name].shape)}; use a run of that network.")
            own[name] = state[name]
    method.load_state_dict(own)
