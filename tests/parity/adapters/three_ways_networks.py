"""Networks for segmentation beside depth of the official Three Ways program through ours."""

import numpy as np
import torch
from torch import Tensor

from tests.parity.adapters.networks import sample, with_gradient
from tests.parity.formula import formula_state
from tests.parity.registry import Case, operation
from vergence.geometry.pose import transform_from_parameters
from vergence.losses.depth import feature_distance
from vergence.models.depth_network import build_depth_network, build_pose_network
from vergence.models.encoders import build_encoder
from vergence.models.official_three_ways import load_official_three_ways
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network
from vergence.settings.networks import DepthNetworkConfig, PoseConfig, SegmentationNetworkConfig

DECODERS: dict[str, dict] = {
    "default": {"decoder": "monodepth2"},
    "dec6": {"decoder": "three_ways"},
    "dec9": {"decoder": "three_ways", "decoder_widths": (64, 64, 128, 128, 256), "decoder_batchnorm": True},
}
TOP_LAYER = 9  # official number of level 0


def shared(params: dict) -> dict:
    """Settings of encoder and decoder."""
    return {
        "encoder": params["backbone"],
        "weights": "none",
        "normalization": "monodepth2",
        "output_stride": 16 if params["dilated"] else None,
        **DECODERS[params["dec"]],
    }


def segmentation_settings(params: dict) -> dict:
    """Settings of the whole network."""
    settings, official = shared(params), params["seg_args"]
    if params["seg"] == "mtl_pad":
        settings |= {
            "exchange": "pad",
            "exchange_level": TOP_LAYER - official["distillation_layer"],
            "side_output": official["side_output"],
            "head_levels": (TOP_LAYER - official["final_layer"],),
            "head_stride": official["output_stride"],
        }
    else:
        settings |= {
            "head_levels": tuple(TOP_LAYER - layer for layer in official["layers"]),
            "head_channels": official["layer_out_channels"],
            "head_hidden": official["head_inter"],
            "head_hidden_channels": official.get("head_inter_channels"),
            "head_stride": official["output_stride"],
            "head_dropout": official["head_dropout"],
        }
    return settings


def segmentation_network(params: dict) -> MultiTaskNetwork:
    settings = segmentation_settings(params)
    depth = not params.get("disable_monodepth", False)
    return build_segmentation_network(SegmentationNetworkConfig(**settings), params.get("n_classes", 19), depth)


@operation("three_ways.segmentation_net")
@operation("three_ways.pad_net")
def multi_task(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    network = segmentation_network(params).eval()
    load_official_three_ways(network, formula_state(case.keys, params["salt"], params["gain"]))
    image = torch.from_numpy(inputs["image"]).requires_grad_()
    features = network.encode(image)
    both = network.depth is not None
    prediction = network.decode(features, image.shape[-2:], depth=both, side=True)
    out: dict[str, Tensor] = {"semantics": prediction["logits"]}
    if "side_logits" in prediction:
        out["intermediate_semantics"] = prediction["side_logits"]
    out |= {f"disp_{scale}": value for scale, value in prediction.get("disparities", {}).items()}
    loss = torch.stack([value.square().mean() for value in out.values()]).sum()
    arrays = with_gradient(out, image, loss)
    samples = {"bottleneck": features[-1]}
    if both:
        _, depth = network._walk(features, (image.shape[-2], image.shape[-1]), False, True, False)
        samples |= {f"upconv_{level}": up for level, up in depth.ups.items()}
    for name, value in samples.items():
        arrays[f"sample_{name}"], arrays[f"shape_{name}"] = sample(value), np.array(value.shape)
    return arrays


@operation("three_ways.sde_model")
def sde_model(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    assert params["pose"]
    assert params["imnet"]
    network = build_depth_network(DepthNetworkConfig(**shared(params))).eval()
    pose = build_pose_network(PoseConfig("resnet18", "none"), "monodepth2").eval()
    stride = 16 if params["dilated"] else None
    reference = build_encoder(params["backbone"], "none", output_stride=stride, normalization="monodepth2").eval()
    load_official_three_ways(network, formula_state(case.keys, params["salt"], params["gain"]), pose, reference)
    images = {name: torch.from_numpy(value) for name, value in inputs.items()}
    target, out = images["color_0"], {}
    with torch.no_grad():
        features, fixed = network.encoder(target)[-1], reference(target)[-1]
        out["disp_3"] = network(target)[3]
        for name, frames, inverted in (("m1", ("color_m1", "color_0"), True), ("p1", ("color_0", "color_p1"), False)):
            axis_angle, translation, _ = pose(torch.stack([images[frame] for frame in frames], dim=1))
            out[f"cam_T_cam_{name}"] = transform_from_parameters(axis_angle, translation, invert=inverted)
        out["feature_distance"] = feature_distance(features, fixed)
    out |= {"sample_encoder_features": torch.from_numpy(sample(features))}
    out |= {"sample_imnet_features": torch.from_numpy(sample(fixed))}
    return {name: value.numpy() for name, value in out.items()}


@operation("three_ways.optimizer_groups")
def optimizer_groups(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    """Our segmentation decoder lacks the official one's unused disparity heads: they are counted here."""
    rates = params["optimizer"]
    network = segmentation_network(params)
    assert network.depth is not None
    parts = {name: [p for module in modules for p in module.parameters()] for name, modules in network.parts().items()}
    parts["segmentation"] += list(network.depth.heads.parameters())
    if params["pose"]:
        parts["pose"] = list(build_pose_network(PoseConfig("resnet18", "none"), "monodepth2").parameters())
    rate_of = {"encoder": "backbone_lr", "pose": "pose_lr", "depth": "depth_lr", "segmentation": "segmentation_lr"}
    own = {part: rates[name] for part, name in rate_of.items() if name in rates and part in parts}
    left = [value for part in rate_of if part in parts and part not in own for value in parts[part]]
    groups = [(parts[part], rate) for part, rate in own.items()] + [(left, rates["lr"])] * bool(left)
    sizes = [(len(group), sum(value.numel() for value in group)) for group, _ in groups]
    return {"group_sizes": np.array(sizes), "group_lr": np.array([rate for _, rate in groups])}
