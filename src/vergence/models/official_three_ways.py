"""Official Three Ways state dicts into our networks, strictly: every tensor is used or known to be unused.

Names start with ``models.`` and the part. The official segmentation decoder is a whole depth decoder: its disparity
heads, and levels that its head does not read, are known to be unused.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.decoders import LEVELS, DepthDecoder
from vergence.models.depth_network import DepthNetwork
from vergence.models.encoders import Encoder
from vergence.models.pose import PoseNetwork
from vergence.models.pretrained import Rename, block_name, encoder_name, head_scale, load_mapped, pose_head_name
from vergence.models.segmentation_network import MultiTaskNetwork

ENTRIES = 3 * LEVELS - 1  # of the decoder list before its disparity heads
TOP_LAYER = 9  # official number of level 0

Part = tuple[nn.Module | None, Rename]


def decoder_name(decoder: DepthDecoder, disparities: bool = True) -> Rename:
    """The decoder list in file order: a level has three entries (the second projects its skip), the last only two.

    Without ``disparities`` the heads, and the levels that the decoder does not have, are known and not used.
    """

    def rename(official: str) -> str | None:
        match = re.fullmatch(r"decoder\.(\d+)\.(.+)", official)
        if match is None:
            raise KeyError(official)
        index, tail = int(match[1]), match[2]
        if index >= ENTRIES:
            if not disparities and index - ENTRIES < LEVELS - 1 and re.fullmatch(r"conv\.(weight|bias)", tail):
                return None
            return f"heads.{head_scale(decoder, index - ENTRIES)}.{tail.removeprefix('conv.')}"
        level, part = LEVELS - 1 - index // 3, index % 3
        if level == 0 and part == 1:  # no skip at level 0
            part = 2
        if not disparities and level < decoder.finest and tail.startswith(("block.", "conv")):
            return None
        if part == 1:
            return f"project.{level}.{tail}"
        tail = re.sub(r"^block\.0\.conv\.", "conv.", tail)
        tail = re.sub(r"^block\.1\.", "norm.", tail)
        last = len(decoder.first[str(level)].branches) if tail.startswith("convs.") else 0  # type: ignore[arg-type]
        tail = re.sub(rf"^convs\.{last}\.(\d)\.", lambda number: f"pooled.{int(number[1]) - 1}.", tail)
        tail = re.sub(r"^convs\.", "branches.", tail)
        return f"{block_name(2 * (LEVELS - 1 - level) + (part == 2))}.{tail}"

    return rename


def head_name(hidden: bool) -> Rename:
    """Projections by layer number; the head's list, in which a hidden convolution moves the last one from 2 to 5."""
    parts = {"1": "hidden.0", "2": "hidden.1", "5": "classify"} if hidden else {"2": "classify"}

    def rename(official: str) -> str:
        if match := re.fullmatch(r"project\.seg(\d)\.0\.weight", official):
            return f"project.{TOP_LAYER - int(match[1])}.weight"
        if (match := re.fullmatch(r"head\.(\d)\.(\w+)", official)) and match[1] in parts:
            return f"{parts[match[1]]}.{match[2]}"
        raise KeyError(official)

    return rename


def final_head_name(official: str) -> str:
    """The one convolution of the multi-task form."""
    return official.replace("0.", "classify.", 1)


def load_official_three_ways(
    network: DepthNetwork | MultiTaskNetwork,
    state: Mapping[str, Tensor],
    pose: PoseNetwork | None = None,
    reference: Encoder | None = None,
) -> None:
    """A whole official state dict, of the form of depth, of segmentation (with depth or without) or of PAD.

    Pose network and reference encoder (``models.imnet_encoder.``) are loaded where they are given, else left out.

    Raises:
        InputError: unless every tensor has its place.
    """
    parts = official_parts(network, pose, reference)
    optional = {"models.pose_encoder.", "models.pose.", "models.imnet_encoder."}
    taken: dict[str, dict[str, Tensor]] = {prefix: {} for prefix in parts}
    for name, value in state.items():
        prefix = next((prefix for prefix in parts if name.startswith(prefix)), None)
        if prefix is None or (parts[prefix][0] is None and prefix not in optional):
            raise InputError(f"{name} has no place in this network; build the one that the Three Ways file is of.")
        taken[prefix][name.removeprefix(prefix)] = value
    for prefix, (module, rename) in parts.items():
        if module is not None:
            load_mapped(module, taken[prefix], rename, f"Three Ways {prefix.removesuffix('.')}")


def official_parts(
    network: DepthNetwork | MultiTaskNetwork, pose: PoseNetwork | None = None, reference: Encoder | None = None
) -> dict[str, Part]:
    """Official prefixes, longer ones before those that they start with, to our modules and the names in them."""
    parts: dict[str, Part] = {
        "models.encoder.": (network.encoder, encoder_name),
        "models.pose_encoder.": (pose and pose.encoder, encoder_name),
        "models.pose.": (pose and pose.head, pose_head_name),
        "models.imnet_encoder.": (reference, encoder_name),
    }
    if isinstance(network, DepthNetwork):
        return parts | {"models.depth.": (network.decoder, decoder_name(network.decoder))}
    return parts | _segmentation_parts(network)


def _segmentation_parts(network: MultiTaskNetwork) -> dict[str, Part]:
    decoder, depth, exchange = network.segmentation, network.depth, network.exchange
    if not isinstance(decoder, DepthDecoder):
        raise InputError(
            "official Three Ways weights are not of a deeplabv3plus decoder; use three_ways or monodepth2."
        )
    segmentation = decoder_name(decoder, disparities=False)
    if exchange is None:
        parts: dict[str, Part] = {
            "models.segmentation.unet_dec.": (decoder, segmentation),
            "models.segmentation.": (network.head, head_name(not isinstance(network.head.hidden, nn.Identity))),
        }
        return parts | {"models.depth.": (depth, decoder_name(depth) if depth is not None else segmentation)}
    assert depth is not None
    return {
        "models.mtl_decoder.seg_dec.": (decoder, segmentation),
        "models.mtl_decoder.depth_dec.": (depth, decoder_name(depth)),
        "models.mtl_decoder.sa_depth.": (exchange.from_depth, str),
        "models.mtl_decoder.sa_seg.": (exchange.from_segmentation, str),
        "models.mtl_decoder.seg_intermediate_head.0.": (network.side, str),
        "models.mtl_decoder.seg_final_head.": (network.head, final_head_name),
    }
