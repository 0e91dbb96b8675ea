"""Settings of Three Ways: contradictions, stages, what loading needs."""

from typing import Any

import pytest

from tests.methods.toy_segmentation import build, network
from vergence.errors import InputError
from vergence.methods.three_ways_config import ThreeWaysConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no depth port"),
        ({"depth": "online"}, "not learned"),
        ({"depth": "truth", "evaluate": "teacher", "teacher": False}, "there is none"),
        ({"depth": "truth", "pseudo_depth": 1.0}, "pseudo_depth needs"),
        ({"depth": "truth", "exchange": "pad"}, "joins two tasks"),
    ],
)
def test_contradictions_are_one_sentence(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(**settings)


@pytest.mark.parametrize("changes", [{"start": -1}, {"ramp": -1}, {"start": 5, "teacher": False}])
def test_impossible_stages(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"three_ways\.(start|ramp)"):
        build(offsets=(), **{"depth": "truth", **changes})


def test_a_staged_run_is_loaded_without_its_teacher() -> None:
    loaded = ThreeWaysConfig(network=network(), start=5, depth="truth").for_loading()
    loaded.check()
    assert not loaded.teacher
    resumed = ThreeWaysConfig(network=network(), start=5, depth="truth").for_loading(keep_reference=True)
    assert (resumed.teacher, resumed.start) == (True, 5)
