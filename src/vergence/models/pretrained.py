"""Official weights into our networks, strictly: every tensor is used or known to be unused.

The names on the left are facts about published files; each official name maps to exactly one of ours.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.decoders import BLOCKS, LEVELS, DepthDecoder
from vergence.models.depth_network import DepthNetwork
from vergence.models.pose import PoseCNN, PoseNetwork
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
            return f"heads.{_scale(decoder, int(match[1]) - BLOCKS)}.{match[2]}"
        raise KeyError(official)

    return rename


def three_ways_decoder_name(decoder: DepthDecoder) -> Rename:
    """The decoder list in file order: a level has three entries (the second projects its skip), the last only two."""
    entries = 3 * LEVELS - 1

    def rename(official: str) -> str:
        match = re.fullmatch(r"decoder\.(\d+)\.(.+)", official)
        if match is None:
            raise KeyError(official)
        index, rest = int(match[1]), match[2]
        if index >= entries:
            return f"heads.{_scale(decoder, index - entries)}.{rest.removeprefix('conv.')}"
        level, place = LEVELS - 1 - index // 3, index % 3
        if level == 0 and place == 1:  # no skip at level 0
            place = 2
        if place == 1:
            return f"project.{level}.{rest}"
        rest = re.sub(r"^block\.0\.conv\.", "conv.", rest)
        rest = re.sub(r"^block\.1\.", "norm.", rest)
        last = len(decoder.first[str(level)].branches) if rest.startswith("convs.") else 0  # type: ignore[arg-type]
        rest = re.sub(rf"^convs\.{last}\.(\d)\.", lambda found: f"pooled.{int(found[1]) - 1}.", rest)
        rest = re.sub(r"^convs\.", "branches.", rest)
        return f"{block_name(2 * (LEVELS - 1 - level) + (place == 2))}.{rest}"

    return rename


def pose_head_name(official: str) -> str:
    """``net.0`` to ``net.3`` in the order they are applied."""
    match = re.fullmatch(r"net\.([0-3])\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    return f"{('squeeze', 'first', 'second', 'last')[int(match[1])]}.{match[2]}"


def pose_cnn_name(official: str) -> str:
    """``net.0`` to ``net.6`` and ``pose_conv``."""
    match = re.fullmatch(r"net\.([0-6])\.(weight|bias)|pose_conv\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    return f"last.{match[3]}" if match[3] else f"convolutions.{match[1]}.{match[2]}"


def block_name(block: int) -> str:
    """Our name of decoder block 0 (deepest) to 9."""
    if block >= BLOCKS:
        raise KeyError(block)
    return f"{('first', 'second')[block % 2]}.{LEVELS - 1 - block // 2}"


def _scale(decoder: DepthDecoder, head: int) -> int:
    if head not in range(len(decoder.scales)):
        raise KeyError(head)
    return decoder.scales[head]


def load_mapped(module: nn.Module, state: Mapping[str, Tensor], rename: Rename, what: str) -> None:
    """Load ``state`` under our names.

    Raises:
        InputError: unless both sides match tensor for tensor.
    """
    own, renamed = module.state_dict(), {}
    for name, value in state.items():
        try:
            target = rename(name)
        except KeyError:
            raise InputError(f"{what}: {name} is not a tensor of that network; check which file it is.") from None
        if target is not None:
            renamed[target] = value
    missing, unknown = sorted(set(own) - set(renamed)), sorted(set(renamed) - set(own))
    if missing or unknown:
        first = f"lacks {missing[0]}" if missing else f"has {unknown[0]} in excess"
        raise InputError(
            f"{what}: {len(missing)} tensors are missing and {len(unknown)} unknown (the file {first}); "
            "use the file of that network."
        )
    for name, value in own.items():
        if value.shape != renamed[name].shape:
            raise InputError(
                f"{what}: {name} has shape {tuple(renamed[name].shape)}, expected {tuple(value.shape)}; "
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


def load_official_pose_cnn(pose: PoseCNN, state: Mapping[str, Tensor]) -> None:
    """Official Monodepth2 ``pose.pth`` of the PoseCNN variant; InputError unless every tensor has its place."""
    load_mapped(pose, state, pose_cnn_name, "Monodepth2 PoseCNN")


def load_official_three_ways_depth(network: DepthNetwork, state: Mapping[str, Tensor]) -> None:
    """Depth encoder and decoder of an official Three Ways state dict (``models.encoder.``, ``models.depth.``).

    Entries of its other parts (pose, segmentation) are left to others.

    Raises:
        InputError: unless every tensor of the two parts has its place.
    """
    parts = {
        part: {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        for part, prefix in (("encoder", "models.encoder."), ("decoder", "models.depth."))
    }
    load_mapped(network.encoder, parts["encoder"], encoder_name, "Three Ways encoder")
    load_mapped(network.decoder, parts["decoder"], three_ways_decoder_name(network.decoder), "Three Ways depth decoder")


PREFIXES = {"encoder": ("network.encoder.",), "decoder": ("network.decoder.",), "pose": ("pose.", "intrinsics_head.")}


def load_parts(method: nn.Module, source: str | Path, parts: tuple[str, ...]) -> None:
    """Copy some parts (encoder, decoder, pose) of a run folder, checkpoint folder or weights file into a depth method.

    Raises:
        InputError: for an unknown part, or a tensor that is missing or of another shape.
    """
    path = Path(source)
    if path.is_dir():
        latest = path / "checkpoints" / "LATEST"
        folder = path / "checkpoints" / latest.read_text().strip() if latest.is_file() else path
        path = folder / "model.safetensors" if (folder / "model.safetensors").is_file() else path
    state, own = read_state_dict(path), method.state_dict()
    for part in parts:
        if part not in PREFIXES:
            raise InputError(f"initialize_parts: {part!r} is unknown; use {', '.join(PREFIXES)}.")
        for name in (name for name in own if name.startswith(PREFIXES[part])):
            if name not in state or state[name].shape != own[name].shape:
                raise InputError(
                    f"{path} has no tensor {name} of shape {tuple(own[name].shape)}; use a run of that network."
                )
            own[name] = state[name]
    method.load_state_dict(own)
