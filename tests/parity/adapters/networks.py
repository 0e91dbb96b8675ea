"""Networks of the official programs, with their weights by formula, through ours."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from tests.parity.formula import formula_state
from tests.parity.registry import Case, operation
from vergence.geometry.pose import transform_from_parameters
from vergence.models.decoders import MonodepthDecoder, ThreeWaysDepthDecoder
from vergence.models.depth_network import DepthNetwork
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.official_three_ways import load_official_three_ways
from vergence.models.pose import PoseCNN, PoseHead, PoseNetwork
from vergence.models.pretrained import (
    encoder_name,
    load_mapped,
    load_official_monodepth2,
    load_official_pose,
    pose_head_name,
)


def sample(tensor: Tensor) -> np.ndarray:
    """Every ceil(size / 256)-th value of the flattened tensor."""
    flat = tensor.detach().reshape(-1)
    return flat[:: -(-flat.numel() // 256)].numpy()


def state_of(case: Case, params: dict, prefix: str) -> dict[str, Tensor]:
    return formula_state(case.keys[prefix], params["salt"] + prefix, params.get("gain", 1.0))


def pose_cnn_name(official: str) -> str:
    """``net.0`` to ``net.6`` and ``pose_conv``."""
    match = re.fullmatch(r"net\.([0-6])\.(weight|bias)|pose_conv\.(weight|bias)", official)
    if match is None:
        raise KeyError(official)
    return f"last.{match[3]}" if match[3] else f"convolutions.{match[1]}.{match[2]}"


Keys = list[tuple[str, tuple[int, ...]]]  # official names and shapes, for fixtures without a keys.json


def encoder_keys(encoder: Encoder) -> Keys:
    """Without the classifier, which is not used."""
    state = encoder.state_dict().items()
    return [(name.replace("backbone.", "encoder."), tuple(value.shape)) for name, value in state]


def decoder_keys(decoder: MonodepthDecoder) -> Keys:
    levels = [layer[str(level)].conv for level in (4, 3, 2, 1, 0) for layer in (decoder.first, decoder.second)]
    names = [f"decoder.{index}.conv.conv" for index in range(10)] + [f"decoder.{10 + s}.conv" for s in decoder.scales]
    layers = [*levels, *(decoder.heads[str(scale)] for scale in decoder.scales)]
    pairs = zip(names, layers, strict=True)
    return [(f"{name}.{kind}", tuple(value.shape)) for name, layer in pairs for kind, value in layer.named_parameters()]


def pose_keys(head: PoseHead) -> Keys:
    layers = enumerate((head.squeeze, head.first, head.second, head.last))
    return [(f"net.{i}.{kind}", tuple(value.shape)) for i, layer in layers for kind, value in layer.named_parameters()]


def with_gradient(out: dict[str, Tensor], image: Tensor, loss: Tensor) -> dict[str, np.ndarray]:
    (gradient,) = torch.autograd.grad(loss, image)
    arrays = {name: value.detach().numpy() for name, value in out.items()}
    arrays["grad_input_norm"] = gradient.norm().numpy()
    arrays["grad_input_direction"] = sample(gradient / gradient.square().mean().sqrt())
    return arrays


def depth_net(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    encoder = build_encoder(f"resnet{params['layers']}", "none", normalization="monodepth2")
    decoder = MonodepthDecoder(
        encoder.channels,
        encoder.strides,
        params.get("scales", (0, 1, 2, 3)),
        out_channels=params.get("out_channels", 1),
        use_skips=params.get("use_skips", True),
    )
    network = DepthNetwork(encoder, decoder).eval()
    load_official_monodepth2(network, state_of(case, params, "encoder/"), state_of(case, params, "depth/"))
    image = torch.from_numpy(inputs["image"]).requires_grad_()
    features = network.encoder(image)
    out = {f"disp_{scale}": value for scale, value in network.decoder(features, image.shape[-2:]).items()}
    loss = torch.stack([value.square().mean() for value in out.values()]).sum()
    arrays = with_gradient(out, image, loss)
    for index, feature in enumerate(features):
        arrays[f"feature_sample_{index}"] = sample(feature)
        arrays[f"feature_shape_{index}"] = np.array(feature.shape)
    return arrays


@operation("monodepth2.depth_net_resnet18")
def depth_net_resnet18(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    return depth_net(inputs, params, case)


@operation("monodepth2.depth_net_resnet50")
def depth_net_resnet50(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    return depth_net(inputs, params, case)


@operation("monodepth2.pose_net")
def pose_net(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    image, frames = torch.from_numpy(inputs["image"]).requires_grad_(), params["frames"]
    pair = image.unflatten(1, (frames, 3))
    resnet = f"resnet{params['layers']}"  # not of posecnn
    if params["type"] == "posecnn":
        small = PoseCNN(frames).eval()
        load_mapped(small, state_of(case, params, "pose/"), pose_cnn_name, "pose")
        axis_angle, translation, features = small(pair)
        motions = small.motions(features)
        assert torch.equal(motions[:, 0], torch.cat((axis_angle, translation), dim=1))
    elif params["type"] == "shared":  # the depth encoder sees each frame, the head joins them
        encoder = build_encoder(resnet, "none", normalization="monodepth2").eval()
        head = PoseHead(encoder.channels[-1], motions=frames - 1, views=frames)
        load_mapped(encoder, state_of(case, params, "pose_encoder/"), encoder_name, "encoder")
        load_mapped(head, state_of(case, params, "pose/"), pose_head_name, "pose")
        motions = head([encoder(pair[:, frame])[-1] for frame in range(frames)])
    else:
        network = PoseNetwork(resnet, "none", frames, normalization="monodepth2").eval()
        load_official_pose(network, state_of(case, params, "pose_encoder/"), state_of(case, params, "pose/"))
        axis_angle, translation, features = network(pair)
        motions = network.head(features)
        assert torch.equal(motions[:, 0], torch.cat((axis_angle, translation), dim=1))
    out = {"axisangle": motions[..., None, :3], "translation": motions[..., None, 3:]}
    loss = torch.stack([(100 * value).square().mean() for value in out.values()]).sum()
    return with_gradient(out, image, loss)


@operation("monodepth2.predict_poses")
def predict_poses(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    network = PoseNetwork(f"resnet{params['layers']}", "none", normalization="monodepth2").eval()
    keys = {"pose_encoder/": encoder_keys(network.encoder), "pose/": pose_keys(network.head)}
    states = [formula_state(keys[part], params["salt"] + part, params["gain"]) for part in keys]
    load_official_pose(network, *states)
    images = {name: torch.from_numpy(value) for name, value in inputs.items()}
    out = {}
    for frame in params["frame_ids"][1:]:
        name = f"m{-frame}" if frame < 0 else f"p{frame}"
        target, source = images["color_0"], images[f"color_{name}"]
        pair = torch.stack((source, target) if frame < 0 else (target, source), dim=1)
        with torch.no_grad():
            axis_angle, translation, _ = network(pair)
            transform = transform_from_parameters(axis_angle, translation, invert=frame < 0)
        out[f"cam_T_cam_{name}"] = transform.numpy()
    return out


@operation("monodepth2.imagenet_init_multi_image")
def imagenet_init_multi_image(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    """Torchvision's state dict, from a file, into an encoder for stacked frames.

    Ours drops the classifier, which the official encoder copies along unused: its two entries are added back here.
    """
    name = f"resnet{params['layers']}"
    encoder = build_encoder(name, "none")
    keys = [[key.removeprefix("backbone."), list(value.shape)] for key, value in encoder.state_dict().items()]
    classifier = [["fc.weight", [1000, encoder.channels[-1]]], ["fc.bias", [1000]]]
    state = formula_state(keys + classifier, params["salt"] + "imagenet/", params["gain"])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "imagenet.pth"
        torch.save(state, path)
        loaded = build_encoder(name, str(path), frames=params["frames"])
    weights = loaded.state_dict()
    flat = state["fc.weight"].reshape(-1)
    return {
        "conv1_weight": weights["backbone.conv1.weight"].numpy(),
        "fc_sample": flat[:: -(-flat.numel() // 32)].numpy(),
        "n_entries": np.int64(len(weights) + len(classifier)),
    }


THREE_WAYS_FORMS = {
    "dec6": {},
    "dec9": {"widths": (64, 64, 128, 128, 256), "batchnorm": True},
    "proj": {"widths": (16, 32, 64, 64, 96), "rates": (3, 6), "pooling": False, "project_skips": 16},
}


@operation("three_ways.depth_net")
def three_ways_depth_net(inputs: dict, params: dict, case: Case) -> dict[str, np.ndarray]:
    stride = 16 if params["dilated"] else None
    encoder = build_encoder(params["backbone"], "none", output_stride=stride, normalization="monodepth2")
    shape = (encoder.channels, encoder.strides)
    form = THREE_WAYS_FORMS.get(params["dec"])
    decoder = MonodepthDecoder(*shape) if form is None else ThreeWaysDepthDecoder(*shape, **form)
    network = DepthNetwork(encoder, decoder).eval()
    load_official_three_ways(network, formula_state(case.keys, params["salt"], params["gain"]))
    image = torch.from_numpy(inputs["image"]).requires_grad_()
    size = (image.shape[-2], image.shape[-1])
    features = network.encoder(image)
    _, ups = decoder.walk(features[-1], features, size)
    out = {f"disp_{scale}": value for scale, value in decoder.disparities(ups).items()}
    loss = torch.stack([value.square().mean() for value in out.values()]).sum()
    arrays = with_gradient(out, image, loss)
    for name, value in {"bottleneck": features[-1], **{f"upconv_{level}": up for level, up in ups.items()}}.items():
        arrays[f"sample_{name}"], arrays[f"shape_{name}"] = sample(value), np.array(value.shape)
    return arrays
