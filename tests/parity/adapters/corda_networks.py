"""Networks of the official CorDA program, with their weights by formula, through ours."""

import numpy as np
import torch
from timm.layers import SEModule
from torch import Tensor, nn

from tests.parity.adapters.networks import with_gradient
from tests.parity.formula import formula_state
from tests.parity.registry import Case, operation
from vergence.models.corda_network import CordaNetwork, build_corda_network
from vergence.models.deeplabv2 import CAFFE_MEAN, copy_matching
from vergence.models.exchange import GatedMessage
from vergence.models.official_corda import corda_name, load_official_corda
from vergence.settings.networks import CordaNetworkConfig

OUTPUTS = {"logits": "S", "depth": "D", "source_depth": "D_src"}
OUTPUTS |= {f"initial_{ours}": f"initial_{official}" for ours, official in OUTPUTS.items()}


def build(params: dict) -> CordaNetwork:
    config = CordaNetworkConfig(variant=params["model"].removeprefix("deeplabv2_"), weights="none")
    return build_corda_network(config, 19)


@operation("corda.networks")
def networks(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    """The official input is blue first, in grey levels less their means: ours is made of it."""
    network = build(params).eval()
    load_official_corda(network, formula_state(case.keys["state_dict"], params["salt"], params["gain"]))
    image = torch.from_numpy(inputs["image"]).requires_grad_()
    prediction = network((image.flip(1) + torch.tensor(CAFFE_MEAN).view(-1, 1, 1)) / 255)
    out = {OUTPUTS[name]: value for name, value in prediction.items()}
    return with_gradient(out, image, torch.stack([value.square().mean() for value in out.values()]).sum())


@operation("corda.optimizer_params")
def optimizer_params(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    """Our groups hold a parameter once; the official list has a backbone's once for every module around it."""
    network = build(params)
    parameters = dict(network.named_parameters())
    counts: dict[str, dict[Tensor, int]] = {}
    for group, modules in network.parts().items():
        listed = [p for module in modules for p in module.parameters() if p.requires_grad]
        counts[group] = dict.fromkeys(listed, 1)
        assert len(listed) == len(counts[group])
    entries = network.released_entries()
    ours = [parameters[corda_name(name)] for name in case.keys]
    return {
        "count_1x": np.array([counts["encoder"].get(p, 0) * entries.get(p, 0) for p in ours]),
        "count_10x": np.array([counts["heads"].get(p, 0) for p in ours]),
        "requires_grad": np.array([p.requires_grad for p in ours]),
    }


@operation("corda.pretrained_copy")
def pretrained_copy(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    tensors = {name.replace("__", "."): torch.from_numpy(value) for name, value in inputs.items()}
    own, given = (
        {name.removeprefix(kind): value for name, value in tensors.items() if name.startswith(kind)}
        for kind in ("model_", "ckpt_")
    )
    result = own | copy_matching(own, given)
    return {f"model_{name.replace('.', '__')}": value.numpy() for name, value in result.items()}


@operation("corda.attention_block")
def attention_block(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    """Squeeze and excitation has no use in the method: timm's, whose layers are 1 x 1 convolutions."""
    state = formula_state(case.keys, params["salt"])
    block: nn.Module
    if params["block"] == "SA":
        block = GatedMessage(params["ch"])
        block.load_state_dict({name.replace("attention.0", "attention"): value for name, value in state.items()})
    else:
        block = SEModule(params["ch"], rd_channels=params["ch"] // params["r"])
        names = {name: name.replace("squeeze.0", "fc1").replace("squeeze.2", "fc2") for name in state}
        block.load_state_dict({names[name]: v[..., None, None] if v.ndim == 2 else v for name, v in state.items()})
    with torch.no_grad():
        return {"y": block(torch.from_numpy(inputs["x"])).numpy()}
