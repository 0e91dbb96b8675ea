"""Settings of adaptation: what each role loads, and what contradicts itself."""

from typing import Any

import pytest

from tests.methods.toy_domains import build
from tests.methods.toy_segmentation import options
from vergence.errors import InputError
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.methods.ssda_config import SSDAConfig


def test_what_each_role_loads() -> None:
    config, run = SSDAConfig(depth="truth", source_depth="runs/source"), options()
    assert list(config.roles) == ["labelled", "unlabelled", "source"]
    assert [role.samples for role in config.roles.values()] == [1, 1, 5]
    assert [role.depth_port for role in config.roles.values()] == ["", "truth", "runs/source"]
    assert SSDAConfig(depth="truth").roles["source"].depth_port == "truth"
    source = config.roles["source"].frame_options(run)
    assert source.load_label
    assert source.load_estimate
    assert source.offsets == ()
    other = SSDAConfig(depth="truth", consistency=ConsistencyConfig(mix="classmix"))
    assert other.roles["unlabelled"].frame_options(run).load_estimate
    assert other.roles["unlabelled"].depth_port == "truth"
    apart = SSDAConfig(depth="truth", cross_weight=0, consistency=ConsistencyConfig(mix="classmix"))
    assert not apart.roles["source"].frame_options(run).load_estimate
    assert apart.roles["source"].samples == 1
    assert not config.for_loading().teacher


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"depth": ""}, "ssda.depth"),
        ({"depth": "online", "multi_task": True}, "estimated beforehand"),
        ({"candidates": 0}, "give 1 or more"),
        ({"ignored_top": 0.6, "ignored_bottom": 0.4}, "leave no rows"),
    ],
)
def test_contradictions_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(**settings)
