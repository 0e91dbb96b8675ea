"""Sections of a recipe refuse what cannot be, by full name."""

from collections.abc import Callable
from typing import Any

import pytest

from vergence.errors import InputError
from vergence.runs.config_sections import (
    EvaluateConfig,
    OptimConfig,
    TrainConfig,
    check_overlap,
    check_resolution,
    parse_size,
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, r"train\.steps is 0; give 1 or more"),
        ({"accumulate": -1}, r"train\.accumulate is -1"),
        ({"evaluate_every": -1}, r"train\.evaluate_every is -1; give 0 \(never\) or more"),
        ({"ema": 1.0}, r"train\.ema is 1\.0; give a decay"),
        ({"timeout": float("nan")}, r"train\.timeout is nan"),
        ({"seed": -1}, r"train\.seed is -1"),
    ],
)
def test_loops_that_cannot_be(change: dict[str, Any], said: str) -> None:
    assert TrainConfig(trackers=["tensorboard"]).trackers == ("tensorboard",)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        TrainConfig(**change)


def test_sizes_are_width_times_height() -> None:
    assert parse_size("640x192", "window") == (192, 640)
    assert parse_size("512", "window") == (512, 512)
    assert check_resolution("native") is None
    assert check_resolution("working") is None
    assert check_resolution("1024x512") == (512, 1024)
    for text in ("", "640x", "x192", "0x192", "640x192x3", "-1x2", "a x b"):
        with pytest.raises(InputError, match="window"):
            parse_size(text, "window")


@pytest.mark.parametrize(
    "call", [lambda: check_overlap(1.0), lambda: check_overlap(-0.1), lambda: check_overlap(float("nan"))]
)
def test_overlaps_that_are_none(call: Callable[[], None]) -> None:
    check_overlap(0.0)
    check_overlap(0.99)
    with pytest.raises(InputError, match="overlap"):
        call()


@pytest.mark.parametrize(
    ("kind", "change"), [(OptimConfig, {"lr": -1.0}), (OptimConfig, {"clip": -1.0}), (EvaluateConfig, {"overlap": 2.0})]
)
def test_other_sections(kind: type, change: dict[str, Any]) -> None:
    kind()
    with pytest.raises(InputError, match=next(iter(change))):
        kind(**change)
