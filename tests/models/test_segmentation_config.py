"""Settings that make no network are refused by name."""

from dataclasses import replace

import pytest

from tests.models.small_networks import PAD, SMALL
from vergence.errors import InputError
from vergence.models.segmentation_network import build_segmentation_network


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": "unet"}, "decoder='unet' is unknown; use monodepth2, three_ways, deeplabv3plus"),
        ({"head_levels": ()}, r"head_levels=\(\) must be different numbers among 5"),
        ({"head_levels": (0, 0)}, "must be different numbers"),
        ({"head_levels": (6,)}, "must be different numbers"),
        ({"head_stride": 0}, "head_stride=0 must"),
        ({"head_channels": -1}, "head_channels=-1 must be at least 1"),
        ({"exchange": "swap"}, "exchange='swap' is unknown; use none, pad or attention"),
        ({"exchange": "pad", "exchange_level": 5}, "exchange_level=5 must be a level, 4 to 1"),
        ({"exchange": "pad", "head_levels": (2,)}, "exchange_level=2 must be a level"),
        ({"exchange": "pad", "scales": (3,)}, "exchange_level=2 must be a level"),
        ({"exchange": "pad", "decoder": "deeplabv3plus"}, "takes decoders of one form"),
    ],
)
def test_settings_that_make_no_network(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_segmentation_network(replace(SMALL, **changes), 5, depth=True)


def test_exchange_needs_both_tasks() -> None:
    with pytest.raises(InputError, match="takes a network that also learns depth"):
        build_segmentation_network(PAD, 5, depth=False)
