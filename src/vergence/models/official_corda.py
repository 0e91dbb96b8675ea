"""Official CorDA and DACS state dicts into our network, strictly: every tensor has its place."""

import re
from collections.abc import Mapping

from torch import Tensor

from vergence.models.corda_network import CordaNetwork
from vergence.models.pretrained import load_mapped

_HEADS = {"S": "segmentation", "D": "depth", "D_src": "source_depth"}
_MESSAGES = {"S.D": "from_depth", "D.S": "from_segmentation"}
_BRANCH = re.compile(r"^conv2d_list\.")


def corda_name(official: str) -> str:
    """Our name of an official tensor; KeyError where there is none."""
    if re.match(r"(conv1|bn1|layer[1-4])\.", official):
        return f"encoder.backbone.{official}"
    if match := re.fullmatch(r"layer5\.conv2d_list\.(.+)", official):  # DACS has this head alone
        return f"heads.segmentation.branches.{match[1]}"
    if match := re.fullmatch(r"initial_task_prediction_heads\.layers\.([SD])\.(.+)", official):
        return f"trunks.{_HEADS[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"initial_task_prediction_heads\.conv_out\.(S|D|D_src)\.(.+)", official):
        return f"initial.{_HEADS[match[1]]}.{_BRANCH.sub('branches.', match[2])}"
    if match := re.fullmatch(r"multi_modal_distillation\.self_attention\.(S\.D|D\.S)\.(.+)", official):
        return f"correlation.{_MESSAGES[match[1]]}.{match[2].replace('attention.0.', 'attention.')}"
    if match := re.fullmatch(r"heads\.(S|D|D_src)\.conv2d_list\.(.+)", official):
        return f"heads.{_HEADS[match[1]]}.branches.{match[2]}"
    raise KeyError(official)


def load_official_corda(network: CordaNetwork, state: Mapping[str, Tensor]) -> None:
    """A whole official state dict of the network's variant; names may start with ``module.``.

    Raises:
        InputError: unless every tensor has its place.
    """
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    load_mapped(network, plain, corda_name, "CorDA")
