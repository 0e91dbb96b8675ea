"""Segmentation beside depth: shapes, what is computed, the exchange, settings that make no network."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.models.small_networks import PAD, SMALL, build
from vergence.models.depth_network import build_depth_network
from vergence.models.segmentation_network import build_segmentation_network
from vergence.settings.networks import DepthNetworkConfig, SegmentationNetworkConfig

STUDENT = SegmentationNetworkConfig(
    encoder="resnet50", weights="none", decoder="three_ways", decoder_widths=(64, 64, 128, 128, 256),
    decoder_batchnorm=True, output_stride=16, normalization="monodepth2", head_levels=(1,), head_hidden=True,
    head_stride=2, head_dropout=0.0,
)  # fmt: skip
"""The student of automatic data selection with classes ("dec9", Three Ways, 5.2): lighter decoders with batch norm."""


def millions(*modules: nn.Module | None) -> float:
    return sum(p.numel() for module in modules if module is not None for p in module.parameters()) / 1e6


class Calls:
    """Names of the leaf modules that ran while it was listening."""

    def __init__(self, network: nn.Module) -> None:
        self.names: list[str] = []
        for name, module in network.named_modules():
            if not list(module.children()):
                module.register_forward_hook(lambda *_, name=name: self.names.append(name))

    def of(self, *prefixes: str) -> set[str]:
        return {name for name in self.names if name.startswith(prefixes)}


def test_parameter_counts_of_the_paper() -> None:
    paper = replace(PAD, encoder="resnet101", output_stride=16, decoder="three_ways", normalization="monodepth2")
    with torch.device("meta"):
        network = build_segmentation_network(paper, 19, depth=True)
        student = build_segmentation_network(STUDENT, 19, depth=True)
    assert millions(network.encoder) == pytest.approx(42.50, abs=0.005)
    assert millions(network.depth) == pytest.approx(22.07, abs=0.005)
    decoders = (network.segmentation, network.depth, network.exchange, network.side, network.head)
    unused = millions(*network.depth.heads.values())  # the official count has these twice
    assert millions(*decoders) + unused == pytest.approx(44.73, abs=0.005)
    assert millions(student.encoder) == pytest.approx(23.51, abs=0.005)
    assert millions(student.depth) == pytest.approx(20.3, abs=0.05)
    assert millions(student.segmentation) == pytest.approx(20.3, abs=0.1)


@pytest.mark.parametrize("decoder", ["monodepth2", "three_ways"])
@pytest.mark.parametrize("size", [(64, 96), (70, 90)])
def test_shapes(decoder: str, size: tuple[int, int]) -> None:
    network = build(replace(PAD, decoder=decoder), depth=True)
    found = network(torch.rand(2, 3, *size), depth=True, side=True)
    height, width = size
    assert found["logits"].shape == (2, 5, height, width)
    assert found["side_logits"].shape == (2, 5, -(-height // 4), -(-width // 4))
    expected = {s: (2, 1, -(-height // 2**s), -(-width // 2**s)) for s in range(4)}
    assert {scale: value.shape for scale, value in found["disparities"].items()} == expected
    assert all(value.min() > 0 and value.max() < 1 for value in found["disparities"].values())
    assert len(found["features"]) == 5


@pytest.mark.parametrize("encoder", ["dinov2_vits14", "convnext_atto"])
@pytest.mark.parametrize("decoder", ["three_ways", "deeplabv3plus"])
def test_other_encoders(encoder: str, decoder: str) -> None:
    network = build(replace(SMALL, encoder=encoder, decoder=decoder), depth=True)
    found = network(torch.rand(1, 3, 50, 75), depth=True)
    assert found["logits"].shape == (1, 5, 50, 75)
    assert found["disparities"][0].shape == (1, 1, 50, 75)


def test_nothing_is_computed_unasked() -> None:
    network, images = build(PAD, depth=True), torch.rand(1, 3, 64, 64)
    everything = network(images, depth=True, side=True)
    calls = Calls(network)
    alone = network(images)
    assert set(alone) == {"features", "logits"}
    assert torch.equal(alone["logits"], everything["logits"])
    assert not calls.of(
        "depth.heads",
        "side",
        "exchange.from_segmentation",
        *(f"depth.{w}.{n}" for n in "01" for w in ("first", "second")),
    )
    assert calls.of("depth.second.2", "exchange.from_depth")
    calls.names.clear()
    alone = network(images, segmentation=False, depth=True)
    assert set(alone) == {"features", "disparities"}
    assert torch.equal(alone["disparities"][0], everything["disparities"][0])
    assert not calls.of("head", "side", "segmentation.second.1", "segmentation.second.0", "exchange.from_depth")
    calls.names.clear()
    alone = network(images, segmentation=False, side=True)
    assert torch.equal(alone["side_logits"], everything["side_logits"])
    assert not calls.of("depth", "exchange", "head")
    calls.names.clear()
    network.decode(network.encode(images), (64, 64), segmentation=False)
    assert not calls.of("segmentation", "depth", "head")


def test_tasks_without_exchange_share_the_encoder_alone() -> None:
    network, images = build(SMALL, depth=True), torch.rand(1, 3, 64, 64)
    calls = Calls(network)
    network(images)
    assert not calls.of("depth")
    calls.names.clear()
    network(images, segmentation=False, depth=True)
    assert not calls.of("segmentation", "head")
    assert "side_logits" not in network(images, side=True)
    with pytest.raises(ValueError, match="no depth decoder"):
        build(SMALL)(images, depth=True)


def test_levels_the_head_does_not_read_are_not_built() -> None:
    config = replace(SMALL, head_levels=(5, 3, 1), head_hidden=True, head_stride=2, head_channels=16)
    network = build(config)
    assert set(network.segmentation.second) == {"4", "3", "2", "1"}
    assert network.head.classify.in_channels == 16
    assert network(torch.rand(1, 3, 64, 64))["logits"].shape == (1, 5, 64, 64)


@pytest.mark.parametrize("config", [PAD, SMALL, replace(SMALL, head_levels=(5, 2), head_hidden=True)])
def test_every_parameter_learns_and_is_in_one_part(config: SegmentationNetworkConfig) -> None:
    network = build(config, depth=True).train()
    found = network(torch.rand(2, 3, 64, 64), depth=True, side=True)
    loss = found["logits"].square().mean() + sum(value.mean() for value in found["disparities"].values())
    (loss + found["side_logits"].square().mean() if "side_logits" in found else loss).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    listed = [id(p) for modules in network.parts().values() for module in modules for p in module.parameters()]
    assert sorted(listed) == sorted(id(parameter) for parameter in network.parameters())


def test_parts_by_direction_of_use() -> None:
    network = build(PAD, depth=True)
    assert network.parts()["depth"] == [network.depth, network.exchange.from_segmentation]
    assert network.exchange.from_depth in network.parts()["segmentation"]
    assert set(build(SMALL).parts()) == {"encoder", "segmentation"}


def test_decoders_start_alike_from_a_depth_decoder() -> None:
    depth = build_depth_network(DepthNetworkConfig(weights="none")).decoder.state_dict()
    network = build(PAD, depth=True)
    network.depth.load_state_dict(depth)
    missing = network.segmentation.load_state_dict(depth, strict=False)
    assert missing.missing_keys == []
    assert {name.split(".")[0] for name in missing.unexpected_keys} == {"heads"}


def test_copies_for_a_teacher() -> None:
    network, images = build(PAD, depth=True), torch.rand(1, 3, 64, 64)
    assert torch.equal(copy.deepcopy(network)(images)["logits"], network(images)["logits"])
