"""Chains of runs: what differs is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from vergence.errors import InputError
from vergence.runs.config import read_config
from vergence.training.run_chain import check_equal, network_of


def test_other_settings_than_those_of_a_run_are_named() -> None:
    stored = read_config("depth-toytown-tiny", {"train.steps": 5, "frames.source": "/old/data"})
    asked = read_config("depth-toytown-tiny", {"train.steps": 5, "frames.source": "/new/data"})
    check_equal(Path("run"), stored, stored)
    with pytest.raises(InputError, match=r"run was trained with frames\.source /old/data, not /new/data"):
        check_equal(Path("run"), stored, asked)
    alike = lambda value: Path(value).name if isinstance(value, str) and "/" in value else value  # noqa: E731
    check_equal(Path("run"), stored, asked, alike)
    asked.train = replace(asked.train, steps=6)
    with pytest.raises(InputError, match=r"train\.steps 5, not 6"):
        check_equal(Path("run"), stored, asked, alike)


def test_the_twin_of_a_network_has_all_that_depth_networks_have() -> None:
    config = read_config("depth-toytown-tiny", {"network.decoder_widths": [4, 4, 8, 8, 8]})
    words = network_of(config)
    assert words["network.decoder_widths"] == [4, 4, 8, 8, 8], "plain values, as in a recipe"
    twin = read_config("three_ways-toytown-tiny", words)
    for name, value in words.items():
        found = getattr(twin.section.network, name.removeprefix("network."))
        assert (list(found) if isinstance(found, tuple) else found) == value, name
