"""Every setting of a network reaches it: the smallest networks of other settings have other shapes."""

from dataclasses import replace

import pytest
import torch

from vergence.models.depth_network import build_depth_network
from vergence.settings.networks import DepthNetworkConfig

TINY = DepthNetworkConfig(encoder="test_resnet", weights="none", decoder="three_ways", decoder_widths=(4, 4, 8, 8, 8))


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"decoder_widths": (4, 4, 8, 8, 12)}, True),
        ({"decoder_batchnorm": True}, True),
        ({"aspp_rates": (6, 12)}, True),
        ({"aspp_dropout": 0.1}, False),
        ({"decoder_dropout": 0.2}, False),
    ],
)
def test_what_changes_the_parameters(change: dict, differs: bool) -> None:
    def shapes(config: DepthNetworkConfig) -> list[tuple]:
        return [(name, tuple(value.shape)) for name, value in build_depth_network(config).state_dict().items()]

    assert (shapes(replace(TINY, **change)) != shapes(TINY)) == differs


def test_scales_and_initial_disparity() -> None:
    torch.manual_seed(0)
    network = build_depth_network(replace(TINY, scales=(0, 2), initial_disparity=0.1)).eval()
    found = network(torch.rand(1, 3, 64, 64))
    assert {scale: tuple(value.shape[-2:]) for scale, value in found.items()} == {0: (64, 64), 2: (16, 16)}
    torch.testing.assert_close(found[0], torch.full_like(found[0], 0.1), atol=5e-3, rtol=0)
