"""Depth runs as the start of segmentation."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vergence.errors import InputError
from vergence.models.depth_network import build_depth_network
from vergence.models.pose import PoseCNN
from vergence.models.pretrained import load_transfer
from vergence.models.segmentation_network import build_segmentation_network
from vergence.settings.networks import DepthNetworkConfig, SegmentationNetworkConfig

WIDTHS = (8, 8, 8, 16, 16)


def config(**changes) -> SegmentationNetworkConfig:
    plain = SegmentationNetworkConfig(weights="none", decoder="three_ways", decoder_widths=WIDTHS)
    return replace(plain, **changes)


def stored(path: Path, network: nn.Module, pose: nn.Module | None = None) -> Path:
    """As a run stores them."""
    holder = nn.Module()
    holder.network = network
    if pose is not None:
        holder.pose = pose
    file = path.with_suffix(".safetensors")
    save_file(holder.state_dict(), file)
    return file


def same(first: nn.Module, second: nn.Module, skip: str = " ") -> bool:
    theirs = second.state_dict()
    own = first.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in own.items() if not name.startswith(skip))


@pytest.mark.parametrize("decoder", ["monodepth2", "three_ways"])
@pytest.mark.parametrize("exchange", ["none", "pad"])
def test_depth_run_into_both_tasks(decoder: str, exchange: str, tmp_path: Path) -> None:
    depth = build_depth_network(
        DepthNetworkConfig(weights="none", decoder=decoder, decoder_widths=WIDTHS)  # type: ignore[arg-type]
    )
    pose, own_pose = PoseCNN(), PoseCNN()
    run = stored(tmp_path / "run", depth, pose)
    network = build_segmentation_network(config(decoder=decoder, exchange=exchange), 5, depth=True)
    head = network.head.classify.weight.clone()
    load_transfer(network, own_pose, run)
    assert same(network.encoder, depth.encoder)
    assert same(network.depth, depth.decoder)
    assert same(network.segmentation, depth.decoder)
    assert same(own_pose, pose)
    assert torch.equal(network.head.classify.weight, head)


def test_parts_are_chosen(tmp_path: Path) -> None:
    depth = build_depth_network(DepthNetworkConfig(weights="none", decoder="three_ways", decoder_widths=WIDTHS))
    run = stored(tmp_path / "run", depth)
    network = build_segmentation_network(config(head_levels=(1,)), 5, depth=False)
    before = {name: value.clone() for name, value in network.segmentation.state_dict().items()}
    load_transfer(network, None, run, ("encoder",))
    assert same(network.encoder, depth.encoder)
    assert all(torch.equal(value, before[name]) for name, value in network.segmentation.state_dict().items())
    load_transfer(network, None, run, ("decoder", "pose"))
    assert same(network.segmentation, depth.decoder)
    load_transfer(network, PoseCNN(), run, ("encoder", "decoder"))
    with pytest.raises(InputError, match="has no tensor pose"):
        load_transfer(network, PoseCNN(), run)
    with pytest.raises(InputError, match="'teacher' is unknown; use encoder, decoder, pose"):
        load_transfer(network, None, run, ("teacher",))


def test_deeplab_keeps_its_own_start(tmp_path: Path) -> None:
    depth = build_depth_network(DepthNetworkConfig(weights="none", decoder="three_ways", decoder_widths=WIDTHS))
    network = build_segmentation_network(config(decoder="deeplabv3plus"), 5, depth=True)
    before = network.segmentation.reduce[0].weight.clone()
    load_transfer(network, None, stored(tmp_path / "run", depth))
    assert same(network.depth, depth.decoder)
    assert same(network.encoder, depth.encoder)
    assert torch.equal(network.segmentation.reduce[0].weight, before)


def test_segmentation_run_goes_on(tmp_path: Path) -> None:
    old = build_segmentation_network(config(exchange="pad"), 5, depth=True)
    run = stored(tmp_path / "run", old)
    network = build_segmentation_network(config(exchange="pad"), 5, depth=True)
    load_transfer(network, None, run)
    assert same(network, old)
    other = build_segmentation_network(config(exchange="pad"), 7, depth=True)
    load_transfer(other, None, run)
    assert same(other, old, skip=("head.", "side."))
    alone = build_segmentation_network(config(), 5, depth=False)
    load_transfer(alone, None, run)
    assert same(alone.segmentation, old.segmentation)
    single = stored(tmp_path / "single", alone)
    with pytest.raises(InputError, match=r"has no tensor network\.depth"):
        load_transfer(network, None, single)


def test_other_networks_are_refused_whole(tmp_path: Path) -> None:
    depth = build_depth_network(DepthNetworkConfig(weights="none", decoder="monodepth2"))
    run = stored(tmp_path / "run", depth)
    network = build_segmentation_network(config(), 5, depth=False)
    before = network.encoder.backbone.conv1.weight.clone()
    with pytest.raises(InputError, match=r"has no tensor network\.decoder\.first\.4\.\S+ of shape"):
        load_transfer(network, None, run)
    assert torch.equal(network.encoder.backbone.conv1.weight, before)
    with pytest.raises(InputError, match="is not a weights file"):
        load_transfer(network, None, tmp_path / "nowhere")
