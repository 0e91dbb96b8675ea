"""The training loop of Three Ways: students and teachers of experiments 210 and 212, with their optimiser."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.adapters.three_ways_networks import segmentation_settings
from tests.parity.loops import Loop, Parts, check_size, double_precision, formula_weights, named, pictures
from tests.parity.registry import Case, Params, operation
from vergence.data.batch import IGNORED_LABEL, Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods import consistency
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.mixing.masks import classmix_mask
from vergence.models.official_three_ways import load_official_three_ways, official_parts
from vergence.runs.config_sections import OptimConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

OFFICIAL_IGNORED = 250
MIXES = {"depthcomp": "depthmix", "class": "classmix", None: "none"}
FORMS: dict[int, dict[str, Any]] = {
    210: {"seg": "mtl", "published": {"layers": [9], "layer_out_channels": 64, "head_inter": False}},
    212: {
        "seg": "mtl_pad",
        "published": {"output_stride": 1, "distillation_layer": 7, "side_output": True, "final_layer": 9},
    },
}
PLAIN = {"output_stride": 1, "head_dropout": 0.0}


def network(params: Params) -> SegmentationNetworkConfig:
    """The published segmentation arguments with the case's changes; dropout off."""
    form = FORMS[params["experiment"]]
    changes = {name: params["seg_args"][name] for name in params["seg_args"]}
    settings = segmentation_settings(params.extended(seg=form["seg"], seg_args=PLAIN | form["published"] | changes))
    return SegmentationNetworkConfig(**settings, aspp_dropout=0.0)


def built(params: dict, keys: dict) -> ThreeWaysMethod:
    online = params["monodepth_lambda"] > 0
    config = ThreeWaysConfig(
        network=network(params),
        pose=PoseConfig("resnet18", "none"),
        tie_break=0.0,
        multi_task=online,
        depth_weight=params["monodepth_lambda"],
        consistency=ConsistencyConfig(
            mix=MIXES[params["mix_mask"]],  # type: ignore[arg-type]
            margin=params["margin"],
            weight=params["consistency_weight"],
            clean=float(params["first"]),
            jitter=0,
            blur=0,
        ),
        mix_labels=params["mix_use_gt"],
        depth="online" if online else "truth",
    )
    space = "toy:" + ",".join(f"class{k}#0000{k:02x}" for k in range(params["n_classes"]))
    offsets = (-1, 1) if online else ()
    options = FrameOptions(params["height"], params["width"], offsets, label_space=space)
    method = ThreeWaysMethod(config, options)
    pose: Any = pose_of(method)
    load_official_three_ways(method.network, formula_weights(keys["state_dict"], params), pose)
    method.mean_teacher.restart(method.network)
    return method


def frames(role: str, inputs: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Clean and jittered frames of one role; those that the case lacks are not a number, for nothing may read them."""
    found = {ours: pictures(inputs[f"{role}_{ours}"]) for ours in ("frames", "jittered") if f"{role}_{ours}" in inputs}
    (known, *_) = found.values()
    found = {ours: found.get(ours, torch.full_like(known, torch.nan)) for ours in ("frames", "jittered")}
    steps, size, count = known.shape[:3]
    if f"{role}_K" in inputs:
        K = torch.from_numpy(inputs[f"{role}_K"]).double()[:, :, None, :3, :3]
        found["intrinsics"] = K.expand(-1, -1, count, -1, -1)
    found["available"] = torch.ones(steps, size, count, dtype=torch.bool)
    found["intrinsics_known"] = torch.ones(steps, size, dtype=torch.bool)
    return found


def labels(ids: np.ndarray) -> Tensor:
    label = torch.from_numpy(ids).long()
    return label.masked_fill(label == OFFICIAL_IGNORED, IGNORED_LABEL)


def batches(inputs: dict[str, np.ndarray], params: dict) -> list[dict[str, Batch]]:
    check_size(params, inputs["unlabelled_frames"])
    labelled, unlabelled = frames("labelled", inputs), frames("unlabelled", inputs)
    labelled["label"] = labels(inputs["labelled_label"])
    if "is_labeled" in inputs:
        unlabelled["label"] = labels(inputs["unlabelled_label"])
        unlabelled["labelled"] = torch.from_numpy(inputs["is_labeled"])
    if "pseudo_depth" in inputs:
        unlabelled["estimate"] = pictures(inputs["pseudo_depth"])
    roles = {"labelled": labelled, "unlabelled": unlabelled}
    return [
        {role: {name: value[step] for name, value in arrays.items()} for role, arrays in roles.items()}  # type: ignore[misc]
        for step in range(params["steps"])
    ]


def official(network: Any, pose: Any, name: str) -> Tensor:
    """Our tensor of an official name."""
    for prefix, (module, rename) in official_parts(network, pose).items():
        if module is not None and name.startswith(prefix):
            ours = rename(name.removeprefix(prefix))
            assert ours is not None
            return named(module)[ours]
    raise KeyError(name)


def pose_of(method: ThreeWaysMethod) -> Any:
    return None if method.synthesis is None else method.synthesis.pose


def measured(method: ThreeWaysMethod, keys: dict, parts: list[str]) -> tuple[Parts, Parts]:
    place = partial(official, method.network, pose_of(method))
    student = Parts.of(keys, parts, dict.fromkeys(parts, place))
    for part in ("pose_encoder", "pose"):  # the official pose network also sees the mixed frames, to no effect
        student.statistics[part] = []
    own = [part for part in parts if not part.startswith("pose")]
    place = partial(official, method.mean_teacher.network, None)
    return student, Parts.of(keys, own, dict.fromkeys(own, place))


def values(losses: dict[str, Tensor], total: Tensor) -> dict[str, Any]:
    def depth(prefix: str) -> float:
        return sum(float(losses.get(f"{prefix}{name}", 0)) for name in ("photometric", "smoothness"))

    listed = [total, losses["segmentation"], depth(""), losses["consistency"], depth("unlabelled_")]
    return {"losses": [float(value) for value in listed], "share": float(losses["_confident"])}


def optim(params: dict) -> OptimConfig:
    rates = {"encoder": params["backbone_lr"]}
    pose = params.get("pose_lr")  # that of all else where it is absent
    if params["monodepth_lambda"] > 0 and pose is not None:
        rates["pose"] = pose
    return OptimConfig(
        name="sgd",
        lr=params["lr"],
        momentum=params["momentum"],
        weight_decay=params["weight_decay"],
        clip=params["clip_grad_norm"],
        schedule="step",
        step_size=params["step_size"],
        gamma=params["gamma"],
        group_lr=rates,
    )


@operation("three_ways.training_loop")
def training_loop(inputs: dict[str, np.ndarray], params: dict, case: Case) -> dict[str, Any]:
    drawn = [[torch.from_numpy(row[row >= 0]) for row in step] for step in inputs.get("classes", [])]
    with double_precision(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(consistency, "classmix_mask", lambda labels, **_: classmix_mask(labels, chosen=drawn.pop(0)))
        method = built(params, case.keys)
        student, teacher = measured(method, case.keys, params["parts"])
        loop = Loop(method, optim(params), params["steps"], batches(inputs, params), student, teacher)
        return loop.run(values)
