"""Messages between two tasks."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.models.small_networks import PAD, build
from vergence.errors import InputError
from vergence.models.exchange import CrossTaskAttention, GatedCorrelation, GatedMessage
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network
from vergence.settings.networks import SegmentationNetworkConfig


def test_gate_is_a_half_at_first() -> None:
    message, x = GatedMessage(3), torch.randn(2, 3, 6, 7)
    torch.testing.assert_close(message(x), 0.5 * message.conv(x))
    nn.init.normal_(message.attention.weight)
    torch.testing.assert_close(message(x), message.conv(x) * torch.sigmoid(message.attention(x)))


def test_exchange_by_hand() -> None:
    network, images = build(PAD, depth=True), torch.rand(1, 3, 64, 64)
    features, size = network.encode(images), (64, 64)
    own, ups = network.segmentation.walk(features[-1], features, size, stop=6)
    other, depth_ups = network.depth.walk(features[-1], features, size, stop=6)
    _, rest = network.segmentation.walk(own + 0.5 * network.exchange.from_depth.conv(other), features, size, 6)
    _, depth_rest = network.depth.walk(other + 0.5 * network.exchange.from_segmentation.conv(own), features, size, 6)
    found = network(images, depth=True, side=True)
    torch.testing.assert_close(found["side_logits"], network.side(ups[2]))
    torch.testing.assert_close(found["logits"], network.head.classify(rest[0]))
    expected = network.depth.disparities(depth_ups | depth_rest)
    for scale, value in found["disparities"].items():
        torch.testing.assert_close(value, expected[scale])


def test_a_gate_that_knows_nothing_halves_the_message() -> None:
    correlation = GatedCorrelation(2)
    for message in (correlation.from_depth, correlation.from_segmentation):
        nn.init.zeros_(message.attention.weight)
        nn.init.dirac_(message.conv.weight)
    depth = torch.tensor([4.0, -6.0]).view(1, 2, 1, 1)
    own = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
    segmentation, changed = correlation(own, depth)
    assert segmentation.flatten().tolist() == [3.0, -2.0]  # its own and half of the other's
    assert changed.flatten().tolist() == [4.5, -5.5]


def test_nothing_comes_of_an_empty_feature() -> None:
    torch.manual_seed(0)
    correlation, feature = GatedCorrelation(8), torch.rand(2, 8, 5, 7)
    nn.init.normal_(correlation.from_depth.attention.weight)
    segmentation, depth = correlation(feature, torch.zeros_like(feature))
    assert torch.equal(segmentation, feature)
    assert depth.abs().sum() > 0


def test_parameters() -> None:
    with torch.device("meta"):
        assert sum(value.numel() for value in GatedCorrelation(256).parameters()) == 2_359_296


TINY = SegmentationNetworkConfig(
    encoder="test_resnet", weights="none", decoder_widths=(4, 4, 8, 8, 8), head_channels=0, exchange="attention"
)


def attentive(awake: bool = True, **changes) -> MultiTaskNetwork:
    """``awake``: with fusing convolutions that are not zero."""
    torch.manual_seed(0)
    network = build_segmentation_network(replace(TINY, **changes), 5, depth=True).eval()
    for module in network.modules():
        if awake and isinstance(module, CrossTaskAttention):
            nn.init.normal_(module.fuse.weight, std=0.1)
    return network


def test_one_pixel_by_hand() -> None:
    attention, own, other = CrossTaskAttention(6), torch.randn(1, 6, 1, 1), torch.randn(1, 6, 1, 1)
    image = own.expand(1, 6, 2, 2), other.expand(1, 6, 2, 2)
    assert torch.equal(attention(*image), image[0])
    nn.init.normal_(attention.fuse.weight)

    def embedded(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return (conv.weight[:, :, 0, 0] @ x.flatten() + conv.bias).view(4, 3)

    query, key, value = embedded(attention.query, own), embedded(attention.key, other), embedded(attention.value, other)
    scores = torch.stack([query[head] @ key[head] / math.sqrt(3) for head in range(4)]).exp()
    answer = (scores / scores.sum()) @ value
    joined = torch.cat((own.flatten(), answer))  # the same in all nine places of the convolution
    expected = own.flatten() + attention.fuse.weight.sum((2, 3)) @ joined
    torch.testing.assert_close(attention(*image), expected.view(1, 6, 1, 1).expand(1, 6, 2, 2))


@pytest.mark.parametrize(("blocks", "levels"), [(0, (3, 2, 1)), (2, (3, 2, 1)), (3, (3, 2, 1)), (4, (2, 1)), (7, (1,))])
def test_levels_that_are_private(blocks: int, levels: tuple[int, ...]) -> None:
    network = attentive(shared_blocks=blocks)
    assert network.exchange.levels == levels
    found = network(torch.rand(2, 3, 70, 90), depth=True)
    assert found["logits"].shape == (2, 5, 70, 90)
    assert found["disparities"][0].shape == (2, 1, 70, 90)


def test_starts_as_without_attention() -> None:
    network, plain, images = attentive(awake=False), attentive(exchange="none"), torch.rand(1, 3, 64, 64)
    plain.load_state_dict({name: network.state_dict()[name] for name in plain.state_dict()})
    for key in ("logits", "disparities"):
        one, other = network(images, depth=True)[key], plain(images, depth=True)[key]
        assert torch.equal(one, other) if key == "logits" else all(torch.equal(one[s], other[s]) for s in other)


def test_by_hand() -> None:
    network, images, size = attentive(shared_blocks=4), torch.rand(1, 3, 64, 64), (64, 64)
    features = network.encode(images)
    x, ups = network.trunk.walk(features[-1], features, size, 0, 4)
    own, other, levels = x, x, dict(ups)
    for level, start in ((2, 4), (1, 6)):
        own, _ = network.segmentation.walk(own, features, size, start, start + 2)
        other, _ = network.depth.walk(other, features, size, start, start + 2)
        own, other = network.exchange.to_segmentation(level, own, other), network.exchange.to_depth(level, other, own)
        levels[level] = other
    own, _ = network.segmentation.walk(own, features, size, 8)
    levels |= network.depth.walk(other, features, size, 8)[1]
    found = network(images, depth=True, levels=True)
    torch.testing.assert_close(found["logits"], network.head.classify(own))
    expected = network.depth.disparities(levels)
    for scale in range(4):
        torch.testing.assert_close(found["disparities"][scale], expected[scale])
    assert set(found["depth_levels"]) == {4, 3, 2, 1, 0}
    torch.testing.assert_close(found["depth_levels"][1], levels[1])


def test_one_task_alone_is_the_same_and_the_last_message_not_sent() -> None:
    network, images, ran = attentive(), torch.rand(1, 3, 64, 64), []
    both = network(images, depth=True)
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    assert torch.equal(network(images)["logits"], both["logits"])
    assert "exchange.from_depth.1" in ran
    assert "exchange.from_segmentation.2" in ran
    assert not {"exchange.from_segmentation.1", "depth.second.0", "depth.heads.0"} & set(ran)
    ran.clear()
    found = network(images, segmentation=False, depth=True)["disparities"]
    assert all(torch.equal(found[s], both["disparities"][s]) for s in found)
    assert not {"exchange.from_depth.1", "segmentation.second.0", "head"} & set(ran)


def test_every_parameter_learns_and_is_in_one_part() -> None:
    network = attentive(shared_blocks=3).train()
    found = network(torch.rand(2, 3, 64, 64), depth=True)
    (found["logits"].square().mean() + sum(value.mean() for value in found["disparities"].values())).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert [name for name, p in network.exchange.named_parameters() if not p.grad.any()] == []
    listed = [id(p) for modules in network.parts().values() for module in modules for p in module.parameters()]
    assert sorted(listed) == sorted(id(parameter) for parameter in network.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shared_blocks": 8}, "exchange=attention finds no level of 3, 2, 1 that shared_blocks=8 leaves private"),
        ({"head_levels": (4,)}, "finds no level"),
        ({"decoder": "deeplabv3plus"}, "exchange=attention takes decoders of one form"),
    ],
)
def test_settings_that_make_no_network(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attentive(**changes)
