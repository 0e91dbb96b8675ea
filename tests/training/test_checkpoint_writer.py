"""Checkpoints written beside the training are those that are written in it, and their failure is told."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.runs.checkpoint import read_object, read_tensors, write_checkpoint
from vergence.runs.folder import Checkpoint, RunFolder
from vergence.training import checkpoint_writer

WORDS = {"train.checkpoint_every": 2, "train.ema": 0.9, "optim.name": "adamw", "train.log_every": 3, "train.keep": 4,
         "optim.schedule": "constant"}  # fmt: skip
BESIDE = {"train.async_checkpoints": True}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return write_frames(tmp_path, depth=True)


def _assert_same(one: Checkpoint, other: Checkpoint) -> None:
    for path, theirs in ((one.weights, other.weights), (one.state, other.state)):
        ours, wanted = read_tensors(path), read_tensors(theirs)
        assert ours.keys() == wanted.keys()
        assert all(torch.equal(ours[name], wanted[name]) for name in ours)
    assert read_object(one.values) == read_object(other.values)


def test_training_goes_on_while_a_checkpoint_is_written(
    recipe: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint waits for the third step, which changes weights in place; it is that of step two."""
    straight = api.train(recipe, tmp_path / "straight", frames, WORDS | {"train.steps": 4, "train.keep_states": 4})
    went_on, in_time = threading.Event(), []

    def slow(**arguments: Any) -> Checkpoint:
        if arguments["step"] == 2:
            in_time.append(went_on.wait(60))
        return write_checkpoint(**arguments)

    monkeypatch.setattr(checkpoint_writer, "write_checkpoint", slow)
    words = WORDS | BESIDE | {"train.steps": 4, "train.keep_states": 4}
    callbacks = {"step": lambda step, losses: went_on.set() if step == 3 else None}
    run = api.train(recipe, tmp_path / "beside", frames, words, callbacks)
    assert in_time == [True]
    for step in (2, 4):
        _assert_same(RunFolder(run).checkpoint(step), RunFolder(straight).checkpoint(step))


def test_it_is_resumed_to_the_same_numbers(recipe: Path, frames: Path, tmp_path: Path) -> None:
    straight = api.train(recipe, tmp_path / "straight", frames, WORDS | {"train.steps": 7})
    run = api.train(recipe, tmp_path / "beside", frames, WORDS | BESIDE | {"train.steps": 4})
    seen = []
    resumed = api.resume(run, {"train.steps": 7}, {"checkpoint": lambda step, path: seen.append(path.is_dir())})
    assert seen == [True, True]
    latest = [RunFolder(one).latest() for one in (resumed, straight)]
    assert latest[0] is not None
    assert latest[1] is not None
    _assert_same(latest[0], latest[1])


def test_a_failure_is_one_sentence_at_the_next_checkpoint(
    recipe: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**arguments: Any) -> Checkpoint:
        if arguments["step"] == 4:
            raise InputError("step-00000004 cannot be written (No space left on device); free some space.")
        return write_checkpoint(**arguments)

    monkeypatch.setattr(checkpoint_writer, "write_checkpoint", full)
    steps: list[int] = []
    for last, done in ((9, 6), (4, 4)):
        steps.clear()
        out = tmp_path / f"{last}"
        with pytest.raises(InputError, match="step-00000004 cannot be written"):
            api.train(
                recipe, out, frames, WORDS | BESIDE | {"train.steps": last},
                {"step": lambda step, losses: steps.append(step)},
            )  # fmt: skip
        assert steps[-1] == done
        latest = RunFolder(out).latest()
        assert latest is not None
        assert latest.step == 2
