"""Devices, processes, randomness and signals."""

import contextlib
import json
import os
import random
import signal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from vergence.errors import InputError
from vergence.runs.config_sections import TrainConfig
from vergence.runs.devices import resolve_device
from vergence.training import runtime
from vergence.training.runtime import algorithms, count_workers


def test_devices_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device() == resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device() == "cuda"
    assert resolve_device("cuda:0") == "cuda:0"
    for wrong in ("cuda:1", "cuda:x", "gpu"):
        with pytest.raises(InputError):
            resolve_device(wrong)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    assert [count_workers("auto", gpu, n) for gpu, n in ((False, 1), (True, 1), (True, 4), (True, 16))] == [1, 8, 3, 1]
    assert count_workers(5, False) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    assert count_workers("auto", False) == 0


@pytest.mark.parametrize(("deterministic", "on_gpu"), [(False, False), (False, True), (True, True)])
def test_algorithms_are_reproducible_or_fast_and_afterwards_as_before(
    deterministic: bool, on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    cudnn = torch.backends.cudnn

    def state() -> tuple[bool, bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark

    before = state()
    with contextlib.suppress(InputError), algorithms(TrainConfig(deterministic=deterministic), on_gpu):
        assert state() == (deterministic, deterministic, on_gpu and not deterministic)
        raise InputError("a run that fails")
    assert state() == before == (False, False, False)


def test_random_generators_go_on_where_they_were() -> None:
    alone: Any = SimpleNamespace(device=torch.device("cpu"), process_index=0)
    runtime.seed_everything(3)
    states = json.loads(json.dumps(runtime.random_state(alone)))
    drawn = [(random.random(), np.random.rand(), float(torch.rand(()))) for _ in range(2)]  # noqa: NPY002
    runtime.seed_everything(4)
    runtime.restore_random_state(states, alone)
    assert [(random.random(), np.random.rand(), float(torch.rand(()))) for _ in range(2)] == drawn  # noqa: NPY002
    states[0]["torch"] = "no numbers"
    with pytest.raises(InputError, match="random generators of the checkpoint cannot be restored"):
        runtime.restore_random_state(states, alone)


def test_the_first_signal_is_noted_and_handlers_come_back(caplog: pytest.LogCaptureFixture) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with runtime.StopSignal() as stop:
        assert stop.number is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is before, "the second has its usual effect"
    assert signal.getsignal(signal.SIGTERM) is before
    assert "SIGTERM: finishing this step and writing a checkpoint" in caplog.text
