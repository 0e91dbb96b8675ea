"""Functions of a user's see what happens, and change nothing by being there."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.test_resume import numbers
from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run
from vergence.runs.folder import RunFolder
from vergence.training.callbacks import Callbacks

SETTINGS = {"train.evaluate_every": 6, "train.accumulate": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_recipe(folder)
    write_frames(folder, depth=True)
    return folder


def train(home: Path, run: Path, **callbacks: Any) -> Path:
    return api.train(home / "tiny.yaml", run, home / "manifest.csv", SETTINGS, callbacks or None)


def test_they_are_told_everything_and_change_nothing(home: Path, tmp_path: Path) -> None:
    told: dict[str, list[tuple[int, Any]]] = {name: [] for name in ("step", "evaluation", "checkpoint", "end")}

    def tell(name: str) -> Any:
        def function(step: int, value: Any) -> None:
            told[name].append((step, dict(value) if isinstance(value, dict) else value))
            random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
            torch.manual_seed(step)
            if isinstance(value, dict):
                value.clear()

        return function

    run = train(home, tmp_path / "run", **{name: tell(name) for name in told})
    plain = train(home, tmp_path / "plain")
    assert numbers(run) == numbers(plain)
    ours, theirs = (load_run(one).method.state_dict() for one in (run, plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [step for step, _ in told["step"]] == list(range(1, 13))
    losses = [row for row in numbers(run) if row["kind"] == "train"]
    pair = [values["loss"] for _, values in told["step"][:2]]
    assert sum(pair) / 2 == pytest.approx(losses[0]["loss"], rel=1e-6)
    scores = [row for row in numbers(run) if row["kind"] == "evaluate"]
    assert [(step, row["abs_rel"]) for step, row in told["evaluation"]] == [(r["step"], r["abs_rel"]) for r in scores]
    assert all(path == RunFolder(run).checkpoint(step).path for step, path in told["checkpoint"])
    assert told["end"] == [(12, run)]


@pytest.mark.parametrize("event", ["step", "evaluation", "checkpoint", "end"])
def test_what_fails_in_one_is_told_and_what_is_done_is_stored(home: Path, tmp_path: Path, event: str) -> None:
    def fail(step: int, value: Any) -> None:
        if step >= 5:
            raise KeyError("mine")

    with pytest.raises(
        InputError, match=rf"the callback of {event} failed after step \d+ \(KeyError: 'mine'\)"
    ) as error:
        train(home, tmp_path / "run", **{event: fail})
    assert isinstance(error.value.__cause__, KeyError)
    assert load_run(tmp_path / "run").step >= 5
    assert load_run(api.resume(tmp_path / "run", {"train.steps": 13})).step == 13


def test_unknown_events_are_told_before_anything_is_written(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no event 'steps' \(did you mean 'step'\?\); there are step, eval"):
        train(home, tmp_path / "run", steps=print)
    with pytest.raises(InputError, match="the callback of end is of type int; expected a function"):
        Callbacks.of({"end": 3})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="callbacks are a list"):
        Callbacks.of([print])  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
