"""Official weights go in strictly; files are read safely."""

import pytest
import torch
from safetensors.torch import save_file

from vergence.errors import InputError
from vergence.models.decoders import MonodepthDecoder
from vergence.models.depth_network import DepthNetwork, build_depth_network
from vergence.models.encoders import build_encoder
from vergence.models.pose import PoseCNN, PoseNetwork
from vergence.models.pretrained import load_official_monodepth2, load_official_pose, load_parts
from vergence.models.weights import read_state_dict
from vergence.settings.networks import DepthNetworkConfig


def official_encoder(encoder: torch.nn.Module) -> dict:
    """As a published ``encoder.pth``: with classifier and plain entries."""
    state = {f"encoder.{key.removeprefix('backbone.')}": torch.rand(v.shape) for key, v in encoder.state_dict().items()}
    return state | {"encoder.fc.weight": torch.rand(1000, 512), "encoder.fc.bias": torch.rand(1000)}


def official_decoder(scales: tuple[int, ...] = (0, 1, 2, 3)) -> dict:
    """The published list: two blocks a level from coarse to fine, then heads."""
    channels, widths, state = (64, 64, 128, 256, 512), (16, 32, 64, 128, 256), {}
    width = 512
    for index, level in enumerate((4, 3, 2, 1, 0)):
        skip = channels[level - 1] if level else 0
        for place, inputs in enumerate((width, widths[level] + skip)):
            name = f"decoder.{2 * index + place}.conv.conv"
            state |= {
                f"{name}.weight": torch.rand(widths[level], inputs, 3, 3),
                f"{name}.bias": torch.rand(widths[level]),
            }
        width = widths[level]
    for index, scale in enumerate(scales):
        state[f"decoder.{10 + index}.conv.weight"] = torch.rand(1, widths[scale], 3, 3)
        state[f"decoder.{10 + index}.conv.bias"] = torch.rand(1)
    return state


@pytest.fixture(scope="module")
def network() -> DepthNetwork:
    return build_depth_network(DepthNetworkConfig(weights="none", normalization="monodepth2"))


def test_official_files_as_published(network: DepthNetwork, tmp_path) -> None:
    encoder, decoder = official_encoder(network.encoder), official_decoder()
    torch.save(encoder | {"height": 192, "width": 640, "use_stereo": False}, tmp_path / "encoder.pth")
    torch.save(decoder, tmp_path / "depth.pth", _use_new_zipfile_serialization=False)  # they are of 2019
    load_official_monodepth2(
        network, read_state_dict(tmp_path / "encoder.pth"), read_state_dict(tmp_path / "depth.pth")
    )
    assert torch.equal(network.encoder.backbone.layer4[1].conv2.weight, encoder["encoder.layer4.1.conv2.weight"])
    assert torch.equal(network.decoder.first["4"].conv.weight, decoder["decoder.0.conv.conv.weight"])
    assert torch.equal(network.decoder.second["2"].conv.bias, decoder["decoder.5.conv.conv.bias"])
    assert torch.equal(network.decoder.heads["3"].weight, decoder["decoder.13.conv.weight"])


def test_plain_entries_may_be_left_in(network: DepthNetwork) -> None:
    entries = {"height": 192, "width": 640, "use_stereo": False}
    load_official_monodepth2(network, official_encoder(network.encoder) | entries, official_decoder())


def test_heads_follow_the_scales() -> None:
    encoder = build_encoder("resnet18", "none")
    some = DepthNetwork(encoder, MonodepthDecoder(encoder.channels, encoder.strides, scales=(0, 2)))
    state = official_decoder((0, 2))
    load_official_monodepth2(some, official_encoder(encoder), state)
    assert torch.equal(some.decoder.heads["2"].weight, state["decoder.11.conv.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("decoder.3.conv.conv.bias"), "1 tensors are missing and 0 unknown.*lacks second.3.conv.bias"),
        (lambda s: s.update({"decoder.14.conv.weight": torch.rand(1)}), "decoder.14.conv.weight is not a tensor of"),
        (lambda s: s.update({"decoder.0.conv.weight": torch.rand(1)}), "decoder.0.conv.weight is not a tensor of"),
        (lambda s: s.update({"junk": torch.rand(1)}), "junk is not a tensor of"),
        (lambda s: s.update({"decoder.10.conv.weight": torch.rand(2, 16, 3, 3)}), "heads.0.weight has shape"),
    ],
)
def test_decoder_file_must_fit_exactly(network: DepthNetwork, change, message: str) -> None:
    state = official_decoder()
    change(state)
    before = {key: value.clone() for key, value in network.decoder.state_dict().items()}
    with pytest.raises(InputError, match=message):
        load_official_monodepth2(network, official_encoder(network.encoder), state)
    assert all(torch.equal(value, before[key]) for key, value in network.decoder.state_dict().items())


def test_encoder_of_another_depth_is_refused(network: DepthNetwork) -> None:
    state = official_encoder(build_encoder("resnet34", "none"))
    with pytest.raises(InputError, match=r"Monodepth2 encoder: 0 tensors are missing and .* unknown"):
        load_official_monodepth2(network, state, official_decoder())


def test_pose_files() -> None:
    pose = PoseNetwork("resnet18", "none")
    layers = (pose.head.squeeze, pose.head.first, pose.head.second, pose.head.last)
    state = {
        f"net.{i}.{k}": torch.rand(v.shape) for i, layer in enumerate(layers) for k, v in layer.state_dict().items()
    }
    load_official_pose(pose, official_encoder(pose.encoder), state)
    assert torch.equal(pose.head.last.weight, state["net.3.weight"])
    with pytest.raises(InputError, match=r"Monodepth2 pose decoder: net\.4\.bias"):
        load_official_pose(pose, official_encoder(pose.encoder), state | {"net.4.bias": torch.rand(1)})


def test_parts_of_a_run(tmp_path) -> None:
    holder, source = torch.nn.Module(), torch.nn.Module()
    for module in (holder, source):
        module.network = build_depth_network(DepthNetworkConfig("efficientnet_lite0", "none"))
        module.pose = PoseCNN()
    file = tmp_path / "run.safetensors"
    save_file(source.state_dict(), file)
    encoder_before = holder.network.encoder.backbone.conv_stem.weight.clone()
    load_parts(holder, file, ("decoder", "pose"))
    assert torch.equal(holder.network.decoder.heads["0"].weight, source.network.decoder.heads["0"].weight)
    assert torch.equal(holder.pose.last.weight, source.pose.last.weight)
    assert torch.equal(holder.network.encoder.backbone.conv_stem.weight, encoder_before)
    load_parts(holder, file, ("encoder",))
    assert torch.equal(
        holder.network.encoder.backbone.conv_stem.weight, source.network.encoder.backbone.conv_stem.weight
    )
    with pytest.raises(InputError, match="'head' is unknown; use encoder, decoder, pose"):
        load_parts(holder, file, ("head",))
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="has no tensor"):
        load_parts(holder, tmp_path / "other.safetensors", ("pose",))
