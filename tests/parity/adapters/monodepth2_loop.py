"""Monodepth2's training loop: networks see jittered frames, losses clean ones, Adam updates all."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.parity.loops import Loop, Parts, check_size, double_precision, formula_weights, named, pictures
from tests.parity.registry import Case, operation
from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.models import pose as pose_module
from vergence.models.pretrained import (
    encoder_name,
    load_official_monodepth2,
    load_official_pose,
    monodepth_decoder_name,
    pose_head_name,
)
from vergence.runs.config_sections import OptimConfig
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import DepthNetworkConfig, PoseConfig


def guarded(axis_angle: Tensor, translation: Tensor, invert: bool = False, plain: Any = None) -> Tensor:
    """The transform as released: the rotation's axis is its vector over (angle + 1e-7), not over the angle."""
    angle = axis_angle.norm(dim=-1, keepdim=True)
    return plain(axis_angle * (angle / (angle + 1e-7)), translation, invert)


def built(params: dict, keys: dict) -> DepthMethod:
    """The method with the official weights."""
    encoder, offsets = f"resnet{params['layers']}", tuple(params["frame_ids"][1:])
    config = DepthConfig(
        network=DepthNetworkConfig(encoder=encoder, weights="none", normalization="monodepth2"),
        pose=PoseConfig(encoder=encoder, weights="none"),
        loss=ViewLossOptions(
            ssim_weight=0.0 if params["no_ssim"] else 0.85,
            reduction="mean" if params["avg_reprojection"] else "min",
            automask=not params["disable_automasking"],
            smoothness=params["disparity_smoothness"],
            min_depth=params["min_depth"],
            max_depth=params["max_depth"],
        ),
        metres_per_unit=1.0,  # stereo_T is in training units
        tie_break=0.0,
    )
    method = DepthMethod(config, FrameOptions(params["height"], params["width"], offsets))
    states = {name: formula_weights(keys["state_dict"][name], params, name) for name in keys["state_dict"]}
    load_official_monodepth2(method.network, states["encoder/"], states["depth/"])
    if method.pose is not None:
        load_official_pose(method.pose, states["pose_encoder/"], states["pose/"])
    return method


def batches(inputs: dict[str, np.ndarray], params: dict) -> list[dict[str, Batch]]:
    check_size(params, inputs["frames"])
    frames, jittered = pictures(inputs["frames"]), pictures(inputs["jittered"])
    steps, size, count = frames.shape[:3]
    K = torch.from_numpy(inputs["K"]).double()[:, :, None, :3, :3].expand(-1, -1, count, -1, -1)
    stereo = torch.eye(4).expand(steps, size, 4, 4)
    if "stereo_T" in inputs:
        stereo = torch.from_numpy(inputs["stereo_T"]).double()
    everything = {
        "frames": frames,
        "jittered": jittered,
        "intrinsics": K,
        "stereo_transform": stereo,
        "available": torch.ones(steps, size, count, dtype=torch.bool),
        "intrinsics_known": torch.ones(steps, size, dtype=torch.bool),
    }
    return [{"unlabelled": {name: value[step] for name, value in everything.items()}} for step in range(steps)]  # type: ignore[misc]


def places(method: DepthMethod) -> dict[str, Any]:
    pose: Any = method.pose
    modules: dict[str, Any] = {
        "encoder": (method.network.encoder, encoder_name),
        "depth": (method.network.decoder, monodepth_decoder_name(method.network.decoder)),
    }
    if pose is not None:
        modules |= {"pose_encoder": (pose.encoder, encoder_name), "pose": (pose.head, pose_head_name)}

    def place(part: str, name: str) -> Tensor:
        module, rename = modules[part]
        return named(module)[rename(name)]

    return {part: partial(place, part) for part in modules}


def values(losses: dict[str, Tensor], total: Tensor) -> dict[str, Any]:
    return {"losses": [float(total), *(float(losses[f"_scale_{scale}"]) for scale in range(4))]}


def looped(inputs: dict[str, np.ndarray], params: dict, keys: dict) -> Loop:
    method = built(params, keys)
    student = Parts.of(keys, params["parts"], places(method))
    return Loop(method, OptimConfig(name="adam", lr=params["lr"]), params["steps"], batches(inputs, params), student)


@operation("monodepth2.training_loop")
def training_loop(inputs: dict[str, np.ndarray], params: dict, case: Case) -> dict[str, np.ndarray]:
    with double_precision(), pytest.MonkeyPatch.context() as patch:
        found = looped(inputs, params, case.keys).run(values)
        plain = pose_module.transform_from_parameters
        patch.setattr(pose_module, "transform_from_parameters", partial(guarded, plain=plain))
        first = looped(inputs, params, case.keys)
        first.batches = first.batches[:1]
        released = first.run(values)
    return found | {f"{name}_released": released[name][0] for name in ("losses", "grad_norms")}
