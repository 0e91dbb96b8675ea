"""Official weights into our networks, strictly: every tensor is used or known to be unused.

The names on the left are facts about published files; each official name maps to exactly one of ours.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.decoders import BLOCKS, LEVELS, DepthDecoder
from vergence.models.deeplab import DeepLabDecoder
from vergence.models.depth_network import DepthNetwork
from vergence.models.pose import PoseNetwork
from vergence.models.weights import read_state_dict

State = dict[str, Tensor]
Rename = Callable[[str], str | None]  # our name, None for a known unused entry, KeyError for an unknown one

UNUSED = {"height", "width", "use_stereo"}  # plain entries of official Monodepth2 encoder files


def encoder_name(official: str) -> str | None:
    """``encoder.layer1.0.conv1.weight`` to ours; official files also keep the classifier, which nobody uses."""
    name = official.removeprefix("encoder.")
    return None if name.startswith("fc.") or official in UNUSED else f"backbone.{name}"


def monodepth_decoder_name(decoder: DepthDecoder) -> Rename:
    """The decoder list in file order: ten blocks from level 4 to 0, then the heads of the scales."""

    def rename(official: str) -> str:
        if match := re.fullmatch(r"decoder\.(\d+)\.conv\.conv\.(weight|bias)", official):
            return f"{block_name(int(match[1]))}.conv.{match[2]}"
        if match := re.fullmatch(r"decoder\.(\d+)\.conv\.(weight|bias)", official):
            return f"heads.{head_scale(decoder, int(match[1]) - BLOCKS)}.{match[2]}"
        raise KeyError(official)

    return rename


def pose_head_name(official: str) -> str:
    """``net.0`` to ``net.3`` in the order they are applied."""
    match = re.fullmatch(r"net\.([0-3])\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    return f"{('squeeze', 'first', 'second', 'last')[int(match[1])]}.{match[2]}"


def block_name(block: int) -> str:
    """Our name of decoder block 0 (deepest) to 9."""
    if block >= BLOCKS:
        raise KeyError(block)
    return f"{('first', 'second')[block % 2]}.{LEVELS - 1 - block // 2}"


def head_scale(decoder: DepthDecoder, head: int) -> int:
    if head not in range(len(decoder.scales)):
        raise KeyError(head)
    return decoder.scales[head]


def load_mapped(module: nn.Module, state: Mapping[str, Tensor], rename: Rename, origin: str) -> None:
    """Load ``state`` under our names.

    Raises:
        InputError: unless both sides match tensor for tensor.
    """
    current, renamed = module.state_dict(), {}
    for name, value in state.items():
        try:
            target = rename(name)
        except KeyError:
            raise InputError(f"{origin}: {name} is not a tensor of that network; check which file it is.") from None
        if target is not None:
            renamed[target] = value
    missing, unknown = sorted(set(current) - set(renamed)), sorted(set(renamed) - set(current))
    if missing or unknown:
        first = f"lacks {missing[0]}" if missing else f"has {unknown[0]} in excess"
        raise InputError(
            f"{origin}: {len(missing)} tensors are missing and {len(unknown)} unknown (the file {first}); "
            "use the file of that network."
        )
    for name, value in current.items():
        if value.shape != renamed[name].shape:
            raise InputError(
                f"{origin}: {name} has shape {tuple(renamed[name].shape)}, expected {tuple(value.shape)}; "
                "it belongs to a network of another size."
            )
    module.load_state_dict(renamed)


def load_official_monodepth2(
    network: DepthNetwork, encoder: Mapping[str, Tensor], decoder: Mapping[str, Tensor]
) -> None:
    """Official Monodepth2 ``encoder.pth`` and ``depth.pth``; InputError unless every tensor has its place.

    The classifier (``encoder.fc``) and the plain entries height, width, use_stereo are known and not used. The network
    needs ``normalization="monodepth2"`` to predict what the official program does.
    """
    load_mapped(network.encoder, encoder, encoder_name, "Monodepth2 encoder")
    load_mapped(network.decoder, decoder, monodepth_decoder_name(network.decoder), "Monodepth2 depth decoder")


def load_official_pose(pose: PoseNetwork, encoder: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
    """Official Monodepth2 ``pose_encoder.pth`` and ``pose.pth``; InputError unless every tensor has its place."""
    load_mapped(pose.encoder, encoder, encoder_name, "Monodepth2 pose encoder")
    load_mapped(pose.head, head, pose_head_name, "Monodepth2 pose decoder")


PREFIXES = {"encoder": ("network.encoder.",), "decoder": ("network.decoder.",), "pose": ("pose.", "intrinsics_head.")}


def load_parts(method: nn.Module, weights: str | Path, parts: tuple[str, ...]) -> None:
    """Copy some parts (encoder, decoder, pose) of the weights of a run into a depth method.

    Of a run that also segments, the decoder is that of depth, its shared blocks included.

    Raises:
        InputError: for an unknown part, or a tensor that is missing or of another shape.
    """
    path, state = Path(weights), read_state_dict(weights)
    own = method.state_dict()
    for part in _known(parts):
        for name in (name for name in own if name.startswith(PREFIXES[part])):
            own[name] = _fitting(path, state, _counterpart(state, name.removeprefix("network.")) or name, own[name])
    method.load_state_dict(own)


def load_transfer(
    network: nn.Module,
    pose: nn.Module | None,
    weights: str | Path,
    parts: tuple[str, ...] = ("encoder", "decoder", "pose"),
) -> None:
    """Start a multi-task network from the weights of a run (Three Ways, 3.1 and 3.2).

    From a depth run the encoder, both decoders from its one (segmentation without the disparity heads; a deeplabv3plus
    decoder keeps its own start), and the pose network. From a segmentation run every decoder from its like; head, side
    output and exchange too where both have them in the same shape, so that a head for other classes starts anew. Blocks
    that only one side shares come from and go to where the other has them (into a trunk: those of depth).

    Raises:
        InputError: for an unknown part, or a tensor that is missing or of another shape.
    """
    path, state = Path(weights), read_state_dict(weights)
    from_depth = any(name.startswith("network.decoder.") for name in state)
    current = network.state_dict()
    for name, value in current.items():
        module, tail = name.split(".", 1)
        if ("encoder" if module == "encoder" else "decoder") not in _known(parts):
            continue
        if module in ("head", "side", "exchange"):
            theirs = f"network.{name}"
            if theirs in state and state[theirs].shape == value.shape:
                current[name] = state[theirs]
            continue
        if from_depth and module == "segmentation" and isinstance(getattr(network, module), DeepLabDecoder):
            continue
        missing = f"network.decoder.{tail}" if from_depth and module != "encoder" else f"network.{name}"
        current[name] = _fitting(path, state, _counterpart(state, name) or missing, value)
    motion = {} if pose is None or "pose" not in parts else pose.state_dict()
    motion = {name: _fitting(path, state, f"pose.{name}", value) for name, value in motion.items()}
    network.load_state_dict(current)
    if pose is not None and motion:
        pose.load_state_dict(motion)


ORIGINS = {
    "encoder": ("encoder",),
    "decoder": ("decoder", "depth", "trunk"),
    "depth": ("decoder", "depth", "trunk"),
    "segmentation": ("decoder", "segmentation", "trunk"),
    "trunk": ("decoder", "trunk", "depth", "segmentation"),
}
"""Module of a network -> modules of a run that hold its tensors; ``decoder`` is that of a depth run."""


def _counterpart(state: State, name: str) -> str | None:
    """Name in a run's state of the tensor ``name`` of a network, None where it has none."""
    module, _, tail = name.partition(".")
    names = (f"network.{origin}.{tail}" for origin in ORIGINS.get(module, ()))
    return next((counterpart for counterpart in names if counterpart in state), None)


def _known(parts: tuple[str, ...]) -> tuple[str, ...]:
    for part in parts:
        if part not in PREFIXES:
            raise InputError(f"initialize_parts: {part!r} is unknown; use {', '.join(PREFIXES)}.")
    return parts


def _fitting(path: Path, state: State, name: str, current: Tensor) -> Tensor:
    if name not in state or state[name].shape != current.shape:
        raise InputError(f"{path} has no tensor {name} of shape {tuple(current.shape)}; use a run of that network.")
    return state[name]
