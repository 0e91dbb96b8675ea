"""Official CorDA names of our tensors, written down the other way round."""

import re

from torch import Tensor, nn

HEADS = {"segmentation": "S", "depth": "D", "source_depth": "D_src"}


def official_corda_state(network: nn.Module, dacs: bool = False) -> dict[str, Tensor]:
    """The whole dict; DACS has its one head under another name."""
    state: dict[str, Tensor] = {}
    for ours, value in network.state_dict().items():
        part, rest = ours.split(".", 1)
        if part == "encoder":
            name = rest.removeprefix("backbone.")
        elif part == "correlation":
            pair = "S.D" if rest.startswith("from_depth") else "D.S"
            kind = rest.split(".", 1)[1].replace("attention.", "attention.0.")
            name = f"multi_modal_distillation.self_attention.{pair}.{kind}"
        else:
            task, rest = rest.split(".", 1)
            place = {
                "trunks": f"initial_task_prediction_heads.layers.{HEADS[task]}.",
                "initial": f"initial_task_prediction_heads.conv_out.{HEADS[task]}.",
                "heads": "layer5." if dacs else f"heads.{HEADS[task]}.",
            }[part]
            name = place + re.sub(r"^branches\.", "conv2d_list.", rest)
        state[name] = value
    return state
