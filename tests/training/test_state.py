"""The state of training comes back from a checkpoint to the last bit, or is refused."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny_method import write_frames, write_recipe
from vergence.errors import InputError
from vergence.runs.config import RunConfig, load_config
from vergence.runs.folder import RunFolder
from vergence.training.runtime import finish, start_accelerator
from vergence.training.state import TrainingState


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    manifest = write_frames(tmp_path)
    return load_config(write_recipe(tmp_path), {"train.ema": 0.5, "optim.name": "adamw"}, manifest)


@pytest.fixture
def accelerator(config: RunConfig) -> Iterator[Any]:
    found = start_accelerator(config.train)
    yield found
    finish(found)


def stepped(state: TrainingState, steps: int) -> None:
    """Optimiser steps on gradients that are the same every time."""
    for _ in range(steps):
        torch.manual_seed(state.step)
        for parameter in state.parameters:
            parameter.grad = torch.randn_like(parameter)
        state.optimizer.step()
        if state.average is not None:
            state.average.update(state.step)
        state.step += 1


def weights(state: TrainingState) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.method.state_dict().items()}


def test_going_on_from_a_checkpoint_gives_the_same_weights(config: RunConfig, accelerator: Any, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    state = TrainingState(config, accelerator, None, {"training": "abc"})
    stepped(state, 3)
    state.window.start = 2
    state.save(run)
    stored = run.checkpoint(3)
    stepped(state, 2)
    again = TrainingState(config, accelerator, stored)
    assert (again.step, again.window.start) == (3, 2)
    stepped(again, 2)
    for name, value in weights(state).items():
        torch.testing.assert_close(weights(again)[name], value, rtol=0, atol=0)
    with state.stored_weights(), again.stored_weights():
        for name, value in weights(state).items():
            torch.testing.assert_close(weights(again)[name], value, rtol=0, atol=0)


def test_mean_weights_are_lent_and_given_back(config: RunConfig, accelerator: Any) -> None:
    state = TrainingState(config, accelerator, None)
    stepped(state, 2)
    trained = weights(state)
    with state.stored_weights():
        assert any((weights(state)[name] != value).any() for name, value in trained.items())
    assert all((weights(state)[name] == value).all() for name, value in trained.items())


def test_states_of_others_and_weights_that_are_not_finite(config: RunConfig, accelerator: Any, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    state = TrainingState(config, accelerator, None)
    stepped(state, 1)
    state.save(run)
    other = replace(config, optim=replace(config.optim, name="sgd"))
    with pytest.raises(InputError, match="is of method tiny with adamw, the run of tiny with sgd"):
        TrainingState(other, accelerator, run.checkpoint(1))
    (run.checkpoint(1).values).write_text("{}")
    with pytest.raises(InputError, match=r"is damaged|has no optimiser state"):
        TrainingState(config, accelerator, run.checkpoint(1))
    with torch.no_grad():
        state.parameters[0].fill_(torch.nan)
    state.step = 2
    with pytest.raises(InputError, match="are no longer finite at step 2, no checkpoint is written"):
        state.save(run)
    assert not run.checkpoint(2).path.exists()
