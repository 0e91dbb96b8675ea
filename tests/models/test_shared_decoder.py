"""Decoder blocks that depth and segmentation share (semhint, section 5, facts 21 and 22)."""

import copy
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vergence.errors import InputError
from vergence.models.depth_network import build_depth_network
from vergence.models.pretrained import load_parts, load_transfer
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network
from vergence.models.shared_decoder import scale_gradient, shared_parameters
from vergence.settings.networks import DepthNetworkConfig, SegmentationNetworkConfig


def test_identity_with_a_scaled_gradient() -> None:
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.equal(scale_gradient(x, 0.3), x)
    scale_gradient(x, 0.3).square().sum().backward()
    torch.testing.assert_close(x.grad, 0.6 * x.detach())
    assert scale_gradient(x, 1.0) is x


WIDTHS = (4, 4, 8, 8, 8)


TINY = SegmentationNetworkConfig(
    encoder="test_resnet", weights="none", decoder_widths=WIDTHS, head_channels=0, head_kernel=3
)


SPLITS = (0, 1, 3, 4, 7, 10)


def build(config: SegmentationNetworkConfig = TINY, **changes) -> MultiTaskNetwork:
    torch.manual_seed(0)
    return build_segmentation_network(replace(config, **changes), 5, depth=True).eval()


def counts(modules: nn.Module) -> int:
    return sum(parameter.numel() for parameter in modules.parameters())


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        ("resnet18", [2_359_808, 2_949_888, 3_097_472, 3_143_616, 3_150_560]),
        ("resnet50", [7_668_224, 8_700_672, 8_958_848, 9_004_992, 9_011_936]),
    ],
)
def test_parameters_of_the_trunk(encoder: str, expected: list[int]) -> None:
    config = SegmentationNetworkConfig(encoder=encoder, weights="none", head_channels=0, head_kernel=3)
    with torch.device("meta"):
        for levels, wanted in enumerate(expected, 1):
            network = build_segmentation_network(replace(config, shared_blocks=2 * levels), 19, depth=True)
            assert shared_parameters(network.trunk, network.depth) == (wanted, expected[-1])
            assert counts(network.segmentation) == expected[-1] - wanted
    assert counts(network.head) == 2_755
    assert [counts(network.depth.heads[s]) for s in "0123"] == [145, 289, 577, 1_153]
    names = [name for name, _ in network.named_parameters()]
    assert len(names) == len(set(names))
    assert not any(name.startswith("segmentation.") for name in names)


@pytest.mark.parametrize("decoder", ["monodepth2", "three_ways"])
@pytest.mark.parametrize("blocks", SPLITS)
def test_shapes_do_not_depend_on_what_is_shared(decoder: str, blocks: int) -> None:
    network = build(decoder=decoder, shared_blocks=blocks)
    found = network(torch.rand(2, 3, 70, 90), depth=True)
    assert found["logits"].shape == (2, 5, 70, 90)
    assert {s: tuple(d.shape[-2:]) for s, d in found["disparities"].items()} == {
        s: (-(-70 // 2**s), -(-90 // 2**s)) for s in range(4)
    }


@pytest.mark.parametrize("blocks", SPLITS)
def test_equal_weights_give_what_separate_decoders_give(blocks: int) -> None:
    """One decoder for both, cut anywhere, predicts what two equal ones predict."""
    images, whole = torch.rand(1, 3, 64, 64), build(shared_blocks=0)
    whole.segmentation.load_state_dict(whole.depth.state_dict(), strict=False)
    network = build(shared_blocks=blocks)
    theirs = whole.state_dict()
    network.load_state_dict({n: theirs.get(n, theirs.get(n.replace("trunk.", "depth."))) for n in network.state_dict()})
    expected, found = whole(images, depth=True), network(images, depth=True)
    assert torch.equal(found["logits"], expected["logits"])
    assert all(torch.equal(found["disparities"][s], expected["disparities"][s]) for s in range(4))
    assert torch.equal(network(images)["logits"], expected["logits"])


def test_shared_weights_change_both_private_ones_one() -> None:
    images = torch.rand(1, 3, 64, 64)
    network = build(shared_blocks=4)
    before = network(images, depth=True)

    def changed(module: nn.Module) -> tuple[bool, bool]:
        twin = copy.deepcopy(network)
        name = next(n for n, m in network.named_modules() if m is module)
        with torch.no_grad():
            next(twin.get_submodule(name).parameters()).add_(0.1)
        after = twin(images, depth=True)
        return (
            not torch.equal(before["logits"], after["logits"]),
            not torch.equal(before["disparities"][0], after["disparities"][0]),
        )

    for level in "43":
        assert changed(network.trunk.first[level]) == (True, True)
        assert changed(network.trunk.second[level]) == (True, True)
    assert changed(network.segmentation.first["2"]) == changed(network.head.classify) == (True, False)
    assert changed(network.depth.first["2"]) == changed(network.depth.heads["0"]) == (False, True)
    assert set(network.depth.first) == set(network.segmentation.second) == {"2", "1", "0"}


def test_shared_blocks_run_once_and_only_if_asked() -> None:
    network, ran = build(shared_blocks=5), []
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    network(torch.rand(1, 3, 64, 64), depth=True)
    trunk = [name for name in ran if name.startswith("trunk.")]
    assert len(trunk) == len(set(trunk)) > 0
    assert ran.count("trunk.first.2.conv") == 1
    assert ran.count("depth.second.2.conv") == ran.count("segmentation.second.2.conv") == 1
    ran.clear()
    network(torch.rand(1, 3, 64, 64), segmentation=False, depth=True)
    assert not [name for name in ran if name.startswith(("segmentation", "head"))]
    ran.clear()
    network.decode([torch.rand(1, c, 64 // s, 64 // s) for c, s in shapes(network)], (64, 64), segmentation=False)
    assert not ran


def shapes(network: MultiTaskNetwork) -> list[tuple[int, int]]:
    return list(zip(network.encoder.channels, network.encoder.strides, strict=True))


@pytest.mark.parametrize("blocks", SPLITS)
def test_gradients_are_scaled_where_the_tasks_part(blocks: int) -> None:
    """Fact 22: shared parameters receive 0.9 of the gradient of depth and 0.1 of that of segmentation."""
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    network = build(shared_blocks=blocks, gradient_scale=(0.9, 0.1)).double()
    plain = copy.deepcopy(network)
    plain.gradient_scale = (1.0, 1.0)

    def gradients(of: MultiTaskNetwork, segmentation: bool, depth: bool) -> dict[str, Tensor]:
        of.zero_grad()
        found = of(images, segmentation, depth)
        loss = images.new_zeros(())
        if segmentation:
            loss = loss + found["logits"].square().mean()
        if depth:
            loss = loss + sum(((2.0 + s) * value).square().mean() for s, value in found["disparities"].items())
        loss.backward()
        return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in of.named_parameters()}

    both = gradients(network, True, True)
    of_segmentation, of_depth = gradients(plain, True, False), gradients(plain, False, True)
    for name, value in both.items():
        own = name.startswith(("segmentation.", "head.", "depth."))
        factors = (1.0, 1.0) if own else (0.9, 0.1)
        torch.testing.assert_close(value, factors[0] * of_depth[name] + factors[1] * of_segmentation[name])
    expected, found = plain(images, depth=True), network(images, depth=True)
    assert torch.equal(expected["logits"], found["logits"])


def test_parts_hold_every_parameter_once() -> None:
    network = build(shared_blocks=4)
    assert list(network.parts()) == ["encoder", "trunk", "depth", "segmentation"]
    listed = [id(p) for modules in network.parts().values() for module in modules for p in module.parameters()]
    assert sorted(listed) == sorted(id(parameter) for parameter in network.parameters())
    assert "trunk" not in build().parts()


def test_without_shared_blocks_the_state_is_as_before() -> None:
    network = build()
    assert {name.split(".")[0] for name in network.state_dict()} == {"encoder", "segmentation", "head", "depth"}
    assert network.trunk is None


def test_counts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vergence"):
        network = build(shared_blocks=2)
    shared, whole = shared_parameters(network.trunk, network.depth)
    assert f"share 2 decoder blocks: {shared:,} of {whole:,} parameters" in caplog.text
    assert shared_parameters(None, build().depth) == (0, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shared_blocks": 11}, "shared_blocks=11 must be a number of decoder blocks, 0 to 10"),
        ({"shared_blocks": -1}, "shared_blocks=-1 must be"),
        ({"shared_blocks": 4, "decoder": "deeplabv3plus"}, "shared_blocks=4 takes decoders of one form"),
        ({"shared_blocks": 9, "head_levels": (1,)}, "at most 8 blocks can be shared there"),
        ({"shared_blocks": 2, "head_levels": (5,), "scales": (3,)}, "at most 0 blocks"),
        ({"shared_blocks": 6, "exchange": "pad"}, "at most 5 blocks"),
        ({"gradient_scale": (1.0,)}, "must be two numbers of at least 0"),
        ({"gradient_scale": (-1.0, 1.0)}, "must be two numbers of at least 0"),
        ({"head_kernel": 2}, "head_kernel=2 must be 1 or 3"),
        ({"head_hidden": True}, "head_channels=0 must be at least 1"),
    ],
)
def test_settings_that_make_no_network(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(**changes)


def test_sharing_takes_two_tasks() -> None:
    with pytest.raises(InputError, match="shared_blocks=4 takes a network that also learns depth"):
        build_segmentation_network(replace(TINY, shared_blocks=4), 5, depth=False)


def stored(path: Path, network: nn.Module) -> Path:
    holder = nn.Module()
    holder.network = network
    save_file(holder.state_dict(), path)
    return path


@pytest.mark.parametrize("blocks", [4, 7, 10])
def test_everything_starts_from_a_depth_run(blocks: int, tmp_path: Path) -> None:
    depth = build_depth_network(DepthNetworkConfig(encoder="test_resnet", weights="none", decoder_widths=WIDTHS))
    run = stored(tmp_path / "depth.safetensors", depth)
    network, images = build(shared_blocks=blocks), torch.rand(1, 3, 64, 64)
    head = network.head.classify.weight.clone()
    load_transfer(network, None, run)
    expected, found = depth.eval()(images), network(images, segmentation=False, depth=True)["disparities"]
    assert all(torch.equal(found[s], expected[s]) for s in expected)
    theirs = depth.decoder.state_dict()
    for part in (network.trunk, network.segmentation):
        assert all(torch.equal(value, theirs[name]) for name, value in part.state_dict().items())
    assert torch.equal(network.head.classify.weight, head)


@pytest.mark.parametrize(("before", "after"), [(4, 4), (0, 4), (4, 0), (2, 7), (10, 3)])
def test_runs_that_share_more_or_less(before: int, after: int, tmp_path: Path) -> None:
    old = build(shared_blocks=before)
    run = stored(tmp_path / "run.safetensors", old)
    torch.manual_seed(5)
    network = build_segmentation_network(replace(TINY, shared_blocks=after), 5, depth=True).eval()
    load_transfer(network, None, run)
    images = torch.rand(1, 3, 64, 64)
    expected, found = old(images, depth=True), network(images, depth=True)
    assert all(torch.equal(found["disparities"][s], expected["disparities"][s]) for s in range(4))
    assert torch.equal(found["logits"], expected["logits"]) == (after <= before)  # a new trunk is that of depth


def test_depth_alone_goes_on_from_a_run_that_shares(tmp_path: Path) -> None:
    old = build(shared_blocks=3)
    holder = nn.Module()
    holder.network = build_depth_network(
        DepthNetworkConfig(encoder="test_resnet", weights="none", decoder_widths=WIDTHS)
    ).eval()
    load_parts(holder, stored(tmp_path / "run.safetensors", old), ("encoder", "decoder"))
    images = torch.rand(1, 3, 64, 64)
    expected = old(images, segmentation=False, depth=True)["disparities"]
    assert torch.equal(holder.network(images)[0], expected[0])
