"""Messages between two tasks."""

import torch
from torch import nn

from tests.models.small_networks import PAD, build
from vergence.models.exchange import GatedMessage


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
