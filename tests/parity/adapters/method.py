"""Monodepth2's whole loss and its training steps through our method."""

from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.parity.formula import formula_state
from tests.parity.registry import Case, operation
from vergence.data.dataset import FrameOptions
from vergence.geometry.camera import disparity_to_depth
from vergence.geometry.pose import transform_from_parameters
from vergence.losses.photometric import automasked_loss
from vergence.losses.self_supervised import kept_pixels, prepare_views, synthesize
from vergence.losses.smoothness import edge_aware_smoothness
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.models.pretrained import (
    encoder_name,
    load_official_monodepth2,
    load_official_pose,
    monodepth_decoder_name,
    pose_head_name,
)
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import DepthNetworkConfig, PoseConfig

SUFFIX = {-1: "m1", 1: "p1", "s": "s"}


def _options(params: dict) -> ViewLossOptions:
    return ViewLossOptions(
        ssim_weight=0.0 if params.get("no_ssim") else 0.85,
        reduction="mean" if params.get("avg_reprojection") else "min",
        automask=not params.get("disable_automasking", False),
        smoothness=params.get("disparity_smoothness", 1e-3),
        align_corners=params.get("align_corners", True),
        min_depth=params.get("min_depth", 0.1),
        max_depth=params.get("max_depth", 100.0),
    )


def _transforms(data: dict[str, Tensor], sources: list, inverse_depth: Tensor) -> Tensor:
    """Given poses, or those of the small pose network whose translation is scaled by the mean inverse depth."""
    transforms = []
    for source in sources:
        name = SUFFIX[source]
        if f"axisangle_{name}" in data:
            translation = data[f"translation_{name}"][:, 0] * inverse_depth.mean(dim=(2, 3))[:, None]
            matrix = transform_from_parameters(data[f"axisangle_{name}"][:, 0], translation, invert=source < 0)
            transforms.append(matrix[:, 0])
        else:
            transforms.append(data[f"T_{name}"])
    return torch.stack(transforms, dim=1)


@operation("monodepth2.photometric_losses")
def photometric_losses(inputs: dict, params: dict, case: Case) -> dict:
    data = {name: torch.from_numpy(value) for name, value in inputs.items()}
    sources = [frame for frame in params["frame_ids"] if frame != 0]
    assert (params.get("pose_model_type") == "posecnn") == any(name.startswith("axisangle") for name in data)
    options = _options(params)
    scales = range(4)
    disparities = {scale: data[f"disp_{scale}"].clone().requires_grad_() for scale in scales}
    out: dict[str, Tensor] = {}
    per_scale = []
    for scale in scales:
        level = scale if params.get("v1_multiscale") else 0
        target = data[f"color_0_{level}"]
        stack = torch.stack([data[f"color_{SUFFIX[source]}_{level}"] for source in sources], dim=1)
        intrinsics = data[f"K_{level}"][:, :3, :3]
        full = F.interpolate(disparities[scale], size=target.shape[-2:], mode="bilinear", align_corners=False)
        inverse_depth, _ = disparity_to_depth(full, options.min_depth, options.max_depth)
        transforms = _transforms(data, sources, inverse_depth)
        repeated = intrinsics[:, None].expand(-1, len(sources), -1, -1)
        views = prepare_views(target, stack, intrinsics, repeated, transforms, options)
        weights = penalty = None
        if params.get("predictive_mask"):
            weights = F.interpolate(data[f"mask_{scale}"], size=target.shape[-2:], mode="bilinear", align_corners=False)
            penalty = 0.2 * F.binary_cross_entropy(weights, torch.ones_like(weights))
        seen = synthesize(disparities[scale], views, options, weights)
        loss = automasked_loss(seen.error, views.identity_error, options.normalise)
        loss = loss if penalty is None else loss + penalty
        smooth = edge_aware_smoothness(disparities[scale], data[f"color_0_{scale}"])
        per_scale.append(loss + options.smoothness / 2**scale * smooth)
        out[f"selection_{scale}"] = kept_pixels(seen, views)[:, 0]
        if scale == 0:
            for index, source in enumerate(sources):
                out[f"warped_{SUFFIX[source]}"] = seen.warped[:, index]
    total = torch.stack(per_scale).mean()
    gradients = torch.autograd.grad(total, [disparities[scale] for scale in scales])
    out |= {f"grad_disp_{scale}": gradients[scale] for scale in scales}
    out |= {"loss": total, "loss_per_scale": torch.stack(per_scale)}
    return {name: value.detach().numpy() for name, value in out.items()}


def official_states(method: DepthMethod, params: dict) -> dict[str, dict[str, Tensor]]:
    """Official state dicts by formula; the case lists no keys, so official names are those that map onto ours."""
    blocks = [f"decoder.{i}.conv{'.conv' if i < 10 else ''}.{kind}" for i in range(14) for kind in ("weight", "bias")]
    motions = [f"net.{i}.{kind}" for i in range(4) for kind in ("weight", "bias")]
    parts = {
        "encoder": (method.network.encoder, None, encoder_name),
        "depth": (method.network.decoder, blocks, monodepth_decoder_name(method.network.decoder)),
        "pose_encoder": (method.pose.encoder, None, encoder_name),
        "pose": (method.pose.head, motions, pose_head_name),
    }
    states = {}
    for part, (module, names, rename) in parts.items():
        own = module.state_dict()
        official = names or [f"encoder.{name.removeprefix('backbone.')}" for name in own]
        keys = [(name, own[rename(name)].shape) for name in official]
        states[part] = formula_state(keys, params["salt"] + f"{part}/", params.get("gain", 1.0))
    return states


def _norm(module: torch.nn.Module) -> float:
    squares = [
        parameter.grad.double().square().sum() for parameter in module.parameters() if parameter.grad is not None
    ]
    return float(torch.stack(squares).sum().sqrt())


@operation("monodepth2.training_steps")
def training_steps(inputs: dict, params: dict, case: Case) -> dict:
    data = {name: torch.from_numpy(value) for name, value in inputs.items()}
    frame_ids = params["frame_ids"]
    config = DepthConfig(
        network=DepthNetworkConfig(encoder="resnet18", weights="none", normalization="monodepth2"),
        pose=PoseConfig(encoder="resnet18", weights="none"),
        tie_break=0.0,
    )
    method = DepthMethod(config, FrameOptions(height=64, width=96, offsets=tuple(frame_ids[1:])))
    states = official_states(method, params)
    load_official_monodepth2(method.network, states["encoder"], states["depth"])
    load_official_pose(method.pose, states["pose_encoder"], states["pose"])
    method.train()
    frames = torch.stack([data["color_0" if f == 0 else f"color_{SUFFIX[f]}"] for f in frame_ids], dim=1)
    batch_size, count = frames.shape[:2]
    batch = {
        "frames": frames,
        "jittered": frames,
        "intrinsics": data["K_0"][:, None, :3, :3].expand(-1, count, -1, -1),
        "stereo_transform": torch.eye(4).expand(batch_size, 4, 4),
        "available": torch.ones(batch_size, count, dtype=torch.bool),
        "intrinsics_known": torch.ones(batch_size, dtype=torch.bool),
    }
    optimizer = torch.optim.Adam(method.parameters(), lr=params["lr"])
    parts = SimpleNamespace(
        encoder=method.network.encoder,
        depth=method.network.decoder,
        pose_encoder=method.pose.encoder,
        pose=method.pose.head,
    )
    out: dict[str, np.ndarray] = {}
    for step in range(params["steps"]):
        losses = method({"unlabelled": batch}, step)
        total = losses["photometric"] + losses["smoothness"]
        optimizer.zero_grad()
        total.backward()
        per_scale = [losses[f"_scale_{scale}"] for scale in range(4)]
        out[f"losses_{step}"] = torch.stack([total, *per_scale]).detach().numpy()
        for part, module in vars(parts).items():
            out[f"grad_norm_{part}_{step}"] = np.float32(_norm(module))
        optimizer.step()
    mean = method.network.encoder.state_dict()
    name = next(key for key in mean if key.endswith("layer1.0.bn1.running_mean"))
    out["bn_mean_sample"] = mean[name].numpy()
    return out
