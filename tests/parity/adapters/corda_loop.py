"""CorDA's training loop: source batch, mixed batch, two groups (with repeated entries or without), mean teacher."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.loops import Loop, Parts, check_size, double_precision, formula_weights, named, pictures
from tests.parity.registry import Case, operation
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods import domains
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig, CordaConsistencyConfig
from vergence.mixing.masks import classmix_mask
from vergence.models.corda_network import CordaNetwork
from vergence.models.deeplabv2 import CAFFE_MEAN
from vergence.models.official_corda import corda_name, load_official_corda
from vergence.runs.config_sections import OptimConfig
from vergence.settings.networks import CordaNetworkConfig

LOSSES = ("source", "source_initial", "source_depth", "source_initial_depth")
LOSSES += tuple(name.replace("source", "mixed", 1) for name in LOSSES)
PSEUDO_HEADS = {"gta": "switch", "synthia": "final"}
CLASSES = 19


def official_mean(network: CordaNetwork) -> None:
    """The reference keeps its means, in grey levels, in single precision."""
    means = torch.tensor(CAFFE_MEAN, dtype=torch.float32).double()
    network.encoder.mean.copy_(means.view(-1, 1, 1) / 255)


def built(params: dict, keys: dict) -> CordaMethod:
    config = CordaConfig(
        network=CordaNetworkConfig(variant=params["variant"], weights="none"),
        pseudo_head=PSEUDO_HEADS[params["variant"]],  # type: ignore[arg-type]
        difficulty="batch_mean",
        repeat_encoder=params["duplicated"],
        teacher_decay=params["teacher_alpha"],
        consistency=CordaConsistencyConfig(mix_void=True, weight=params["consistency_weight"], jitter=0, blur=0),
    )
    space = "toy:" + ",".join(f"class{k}#0000{k:02x}" for k in range(CLASSES))
    method = CordaMethod(config, FrameOptions(params["height"], params["width"], label_space=space))
    load_official_corda(method.network, formula_weights(keys["state_dict"], params))
    official_mean(method.network)
    method.mean_teacher.restart(method.network)
    official_mean(method.mean_teacher.network)  # type: ignore[arg-type]
    return method


def batches(inputs: dict[str, np.ndarray], params: dict) -> list[dict[str, Batch]]:
    """Source frames are read as the loader changed them; the method's clean source frames are those it mixes."""
    check_size(params, inputs["source_image"])
    roles = {}
    for role in ("source", "target"):
        images = pictures(inputs[f"{role}_image"])[:, :, None]
        depth = torch.from_numpy(inputs[f"{role}_depth"]).double()[:, :, None]
        roles[role] = {"frames": images, "jittered": images, "inverse_depth": depth}
    roles["source"]["label"] = torch.from_numpy(inputs["source_label"]).long()
    roles["target"]["jittered"] = torch.full_like(roles["target"]["frames"], torch.nan)  # nothing may read them
    return [
        {role: {name: value[step] for name, value in arrays.items()} for role, arrays in roles.items()}  # type: ignore[misc]
        for step in range(params["steps"])
    ]


def parts(network: Any, keys: dict, names: list[str]) -> Parts:
    ours = named(network)
    return Parts.of(keys, names, dict.fromkeys(names, lambda name: ours[corda_name(name)]))


def values(losses: dict[str, Tensor], total: Tensor) -> dict[str, Any]:
    listed = [total, *(losses[name] for name in LOSSES)]
    return {"losses": [float(value) for value in listed], "share": float(losses["_confident"])}


@operation("corda.training_loop")
def training_loop(inputs: dict[str, np.ndarray], params: dict, case: Case) -> dict[str, Any]:
    drawn = [[torch.from_numpy(row[row >= 0]) for row in step] for step in inputs["classes"]]
    optim = OptimConfig(
        name="sgd",
        lr=10 * params["lr"],
        group_lr={"encoder": params["lr"]},
        momentum=params["momentum"],
        weight_decay=params["weight_decay"],
        schedule="poly",
        power=params["lr_power"],
    )
    with double_precision(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(domains, "classmix_mask", lambda labels, **_: classmix_mask(labels, None, drawn.pop(0)))
        method = built(params, case.keys)
        student, teacher = (
            parts(network, case.keys, params["parts"]) for network in (method.network, method.mean_teacher.network)
        )
        steps, first = params["num_iterations"], params["first_iteration"]
        return Loop(method, optim, steps, batches(inputs, params), student, teacher, first).run(values)
