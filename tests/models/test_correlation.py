"""Gated correlation of two tasks (specification, fact 18)."""

import torch
from torch import nn

from vergence.models.correlation import GatedCorrelation


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
