"""Protocols of depth say everything that a number depends on."""

import pytest

from vergence.settings.protocols import PROTOCOLS, DepthProtocol


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "eigen",
            "eigen: ground truth 0.001-80 m, Garg crop, prediction clipped to 0.001-80 m, median scaling per image",
        ),
        ("improved", "improved: all ground truth, no crop, prediction clipped to 0.001-80 m, median scaling per image"),
        (
            "plain",
            "plain: ground truth 0.001-80 m, no crop, prediction clipped to 0.001-80 m, median scaling per image",
        ),
    ],
)
def test_the_known_ones(name: str, said: str) -> None:
    assert PROTOCOLS[name].describe() == said
    assert PROTOCOLS.keys() == {"eigen", "improved", "plain"}


def test_scales_are_told() -> None:
    assert DepthProtocol("a", scale="none").describe().endswith("no scaling")
    assert DepthProtocol("a", scale=5.4, max_depth=50).describe() == (
        "a: all ground truth, no crop, prediction clipped to 0.001-50 m, scaled by 5.4"
    )
