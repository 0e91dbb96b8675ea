"""CorDA networks: the variants' parts, sizes and encoders (specification 2.3, 2.4; fact 17)."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vergence.errors import InputError
from vergence.models.corda_network import CordaNetwork, build_corda_network
from vergence.settings.networks import CordaNetworkConfig

SMALL = CordaNetworkConfig(encoder="resnet18", weights="none", width=16)
FULL = {"logits", "depth", "source_depth", "initial_logits", "initial_depth", "initial_source_depth"}
CLASSES = 5


def small(**settings) -> CordaNetwork:
    torch.manual_seed(0)
    return build_corda_network(replace(SMALL, **settings), CLASSES)


def count(module: nn.Module, trainable: bool = False) -> int:
    return sum(value.numel() for value in module.parameters() if value.requires_grad or not trainable)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("gta", (48_015_074, 47_909_730)),
        ("synthia", (46_619_049, 46_513_705)),
        ("noatt", (44_245_136, 44_139_792)),
        ("multitask", (43_974_800, 43_869_456)),
        ("dacs", (43_901_068, 43_795_724)),
    ],
)
def test_parameters_of_the_papers_networks(variant: str, expected: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = build_corda_network(CordaNetworkConfig(variant, weights="none"), 19)
        prediction = network(torch.zeros(1, 3, 72, 105))
    assert (count(network), count(network, trainable=True)) == expected
    assert prediction["logits"].shape == (1, 19, 10, 14)
    if variant in ("gta", "synthia"):
        assert count(network.trunks) == 1_560_576
        assert count(network.heads) == 193_620
    groups = [value for modules in network.parts().values() for module in modules for value in module.parameters()]
    assert len(groups) == len(set(groups)) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        ("gta", FULL),
        ("synthia", FULL),
        ("noatt", {"logits", "depth"}),
        ("multitask", {"logits", "depth"}),
        ("dacs", {"logits"}),
    ],
)
def test_outputs(variant: str, names: set[str]) -> None:
    prediction = small(variant=variant)(torch.rand(2, 3, 40, 56))
    assert prediction.keys() == names
    for name, value in prediction.items():
        assert value.shape == (2, CLASSES if "logits" in name else 1, 5, 7), name
        assert value.isfinite().all()


@pytest.mark.parametrize("variant", ["gta", "synthia"])
def test_both_depth_decoders_without_correlation(variant: str) -> None:
    network = small(variant=variant, correlation=False)
    assert network.correlation is None
    assert network(torch.rand(1, 3, 40, 56)).keys() == FULL
    assert count(network) == count(small(variant=variant)) - count(small(variant=variant).correlation)


def test_decoding_is_the_second_half() -> None:
    network, images = small().eval(), torch.rand(1, 3, 33, 40)
    feature = network.encode(images)
    assert feature.shape == (1, network.join.channels, 5, 5)
    assert torch.equal(network.decode(feature)["logits"], network(images)["logits"])


def test_either_task_hears_the_other_and_domains_differ_in_the_last_layer() -> None:
    network = small(variant="gta").eval()
    feature = network.encode(torch.rand(1, 3, 32, 32)).detach()

    def reached(name: str) -> set[str]:
        network.zero_grad()
        network.decode(feature)[name].sum().backward()
        return {key.rsplit(".", 1)[0] for key, value in network.named_parameters() if value.grad is not None}

    def heads(names: set[str]) -> set[str]:
        return {".".join(name.split(".")[:2]) for name in names}

    trunks = {"trunks.segmentation", "trunks.depth"}
    assert heads(reached("logits")) == trunks | {"correlation.from_depth", "heads.segmentation"}
    assert heads(reached("depth")) == trunks | {"correlation.from_segmentation", "heads.depth"}
    assert heads(reached("source_depth")) == trunks | {"correlation.from_segmentation", "heads.source_depth"}
    assert heads(reached("initial_logits")) == {"initial.segmentation"}  # past the trunk
    assert heads(reached("initial_depth")) == {"trunks.depth", "initial.depth"}
    assert heads(reached("initial_source_depth")) == {"trunks.depth", "initial.source_depth"}
    network = small(variant="synthia").eval()
    assert heads(reached("initial_logits")) == {"trunks.segmentation", "initial.segmentation"}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "dinov2_vits14"])
def test_any_encoder(name: str) -> None:
    network = small(encoder=name).train()
    images = torch.rand(1, 3, 45, 64)  # no multiple of any stride, and a batch of one
    prediction = network(images)
    assert prediction["logits"].shape == (1, CLASSES, 6, 8)
    sum(value.square().mean() for value in prediction.values()).backward()
    assert all(p.grad is not None for module in network.parts()["encoder"] for p in module.parameters())


def test_feature_stride() -> None:
    images = torch.rand(1, 3, 64, 96)
    for stride, channels in ((4, 64 + 128 + 256 + 512), (8, 128 + 256 + 512), (16, 256 + 512), (32, 512), (64, 512)):
        feature = small(feature_stride=stride).eval().encode(images)
        own = min(stride, 32)
        assert feature.shape == (1, channels, 64 // own, 96 // own)


def test_what_is_new_starts_small() -> None:
    network = small(variant="gta", width=64)
    for part in network.parts()["heads"]:
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 1000:
                assert layer.weight.std().item() == pytest.approx(0.01, rel=0.15)
            elif isinstance(layer, nn.BatchNorm2d):
                assert (layer.weight == 1).all()
                assert layer.weight.requires_grad


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "viper"}, "variant='viper' is unknown; use gta, synthia, noatt, multitask, dacs"),
        ({"aspp_branches": 1}, "aspp_branches=1 is not offered"),
        ({"width": 30}, "width=30 must be a multiple of 4"),
        ({"feature_stride": 0}, "feature_stride=0 must be at least 1"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**settings)
