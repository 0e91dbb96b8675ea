"""Official Three Ways names of our tensors, written down the other way round."""

import re

import torch
from torch import Tensor, nn

from vergence.models.decoders import DepthDecoder
from vergence.models.segmentation_network import MultiTaskNetwork

ENTRIES, TOP_LAYER = 14, 9


def three_ways_encoder(encoder: nn.Module, prefix: str = "models.encoder.") -> dict[str, Tensor]:
    return {f"{prefix}encoder.{name.removeprefix('backbone.')}": value for name, value in encoder.state_dict().items()}


def three_ways_decoder(decoder: DepthDecoder, prefix: str) -> dict[str, Tensor]:
    """The list of entries; a decoder without disparity heads gets made-up ones, as official files have them."""
    state: dict[str, Tensor] = {}
    for name, value in decoder.state_dict().items():
        kind, level, rest = name.split(".", 2)
        if kind == "heads":
            state[f"decoder.{ENTRIES + int(level)}.conv.{rest}"] = value
            continue
        index = 13 if (kind, level) == ("second", "0") else 3 * (4 - int(level)) + 2 * (kind == "second")
        rest = re.sub(r"^conv\.", "block.0.conv.", rest)
        rest = re.sub(r"^norm\.", "block.1.", rest)
        rest = re.sub(r"^branches\.", "convs.", rest)
        rest = re.sub(r"^pooled\.(\d)", lambda match: f"convs.4.{int(match[1]) + 1}", rest)
        state[f"decoder.{index}.{rest}"] = value
    if decoder.finest == 1:  # official decoders have level 0 also where nobody reads it
        for index, inputs in ((12, decoder.widths[1]), (13, decoder.widths[0])):
            state[f"decoder.{index}.block.0.conv.weight"] = torch.ones(decoder.widths[0], inputs, 3, 3)
            state[f"decoder.{index}.block.0.conv.bias"] = torch.ones(decoder.widths[0])
    if not len(decoder.heads):
        for scale in range(4):
            state[f"decoder.{ENTRIES + scale}.conv.weight"] = torch.ones(1, decoder.widths[scale], 3, 3)
            state[f"decoder.{ENTRIES + scale}.conv.bias"] = torch.ones(1)
    return {f"{prefix}{name}": value for name, value in state.items()}


def three_ways_network(network: MultiTaskNetwork) -> dict[str, Tensor]:
    """The whole dict, of the segmentation form or of the multi-task form."""
    state = three_ways_encoder(network.encoder)
    if network.exchange is not None:
        state |= three_ways_decoder(network.depth, "models.mtl_decoder.depth_dec.")
        state |= three_ways_decoder(network.segmentation, "models.mtl_decoder.seg_dec.")
        others = {
            "sa_depth": network.exchange.from_depth,
            "sa_seg": network.exchange.from_segmentation,
            "seg_intermediate_head.0": network.side,
            "seg_final_head.0": network.head.classify,
        }
        for place, module in ((place, module) for place, module in others.items() if module is not None):
            state |= {f"models.mtl_decoder.{place}.{name}": value for name, value in module.state_dict().items()}
        return state
    if network.depth is not None:
        state |= three_ways_decoder(network.depth, "models.depth.")
    state |= three_ways_decoder(network.segmentation, "models.segmentation.unet_dec.")
    hidden = not isinstance(network.head.hidden, nn.Identity)
    for name, value in network.head.state_dict().items():
        name = re.sub(r"^project\.(\d)", lambda match: f"project.seg{TOP_LAYER - int(match[1])}.0", name)
        name = re.sub(r"^hidden\.(\d)", lambda match: f"head.{int(match[1]) + 1}", name)
        name = re.sub(r"^classify", "head.5" if hidden else "head.2", name)
        state[f"models.segmentation.{name}"] = value
    return state


def three_ways_pose(pose: nn.Module) -> dict[str, Tensor]:
    state = three_ways_encoder(pose.encoder, "models.pose_encoder.")
    for name, value in pose.head.state_dict().items():
        layer, kind = name.split(".")
        state[f"models.pose.net.{('squeeze', 'first', 'second', 'last').index(layer)}.{kind}"] = value
    return state
