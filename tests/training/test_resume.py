"""A run that is killed at any moment and resumed ends in the same numbers as one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training.tiny_method import write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run, read_tensors
from vergence.runs.config import load_config
from vergence.training.pools import build_loaders, open_training_data
from vergence.training.tracking import drop_rows_after

ROOT = Path(__file__).parents[2]
PACE = ("time", "images_per_second", "data_wait", "seconds")
STEPS = 140
HARD = {
    "train.steps": STEPS,
    "train.log_every": 5,
    "train.checkpoint_every": 7,  # windows of logging lie across checkpoints
    "train.ema": 0.9,
    "train.accumulate": 2,
    "train.evaluate_every": 60,
    "optim.name": "adamw",
    "optim.warmup": 20,
}


def numbers(run: Path) -> list[dict[str, Any]]:
    """Rows of training and evaluation without what depends on the clock."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in PACE} for row in rows if row["kind"] != "event"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tests.training.tiny_method", *map(str, words)]


def last_step(run: Path) -> int:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines and lines[-1].endswith("}") else 0


def assert_same(run: Path, other: Path) -> None:
    assert numbers(run) == numbers(other)
    for name in ("model", "state"):
        ours, theirs = (read_tensors(one / f"checkpoints/step-{STEPS:08d}/{name}.safetensors") for one in (run, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run left alone; its recipe and frames lie beside it."""
    folder = tmp_path_factory.mktemp("straight")
    return api.train(write_recipe(folder), folder / "run", write_frames(folder, depth=True), HARD)


def start(straight: Path, run: Path) -> "subprocess.Popen[str]":
    words = [f"--{key}={value}" for key, value in HARD.items()]
    folder = straight.parent
    arguments = command("train", folder / "tiny.yaml", "--out", run, "--data", folder / "manifest.csv", *words)
    return subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_and_resumed(straight: Path, tmp_path: Path) -> None:
    run, moment = tmp_path / "run", random.SystemRandom().randrange(10, STEPS - 50)
    process = start(straight, run)
    while process.poll() is None and last_step(run) < moment:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, f"finished before it could be killed at step {moment}"
    stopped_at = last_step(run)
    assert stopped_at >= moment
    (run / "checkpoints" / ".partial-step-00000139").mkdir()  # as if killed while writing
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 139, "kind": "tr')
    api.resume(run)
    assert_same(run, straight)
    assert not list((run / "checkpoints").glob(".partial*"))


@pytest.mark.slow
def test_terminated_and_resumed(straight: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(straight, run)
    while process.poll() is None and last_step(run) < 15:
        time.sleep(0.002)
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.splitlines()[-1].startswith("vergence: stopped at step ")
    assert "Traceback" not in errors
    assert 15 <= load_run(run).step < STEPS
    api.resume(run)
    assert_same(run, straight)


def test_killed_before_the_first_checkpoint(straight: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text((straight / "recipe.yaml").read_text())
    (run / "metrics.jsonl").write_text('{"step": 0, "kind": "event"}\n{"step": 5, "kind": "train", "loss": 9.0}\n')
    api.resume(run)
    assert_same(run, straight)


def test_a_finished_run_stays_as_it_is_and_can_go_further(straight: Path, tmp_path: Path) -> None:
    folder = straight.parent
    run = api.train(folder / "tiny.yaml", tmp_path / "run", folder / "manifest.csv")
    before = (run / "metrics.jsonl").read_text()
    api.resume(run)
    assert (run / "metrics.jsonl").read_text() == before
    api.resume(run, {"train.steps": 14})
    assert load_run(run).step == 14
    assert numbers(run)[-1]["step"] == 14


def test_helpers_of_training_are_kept_out_of_the_model_and_come_back(straight: Path, tmp_path: Path) -> None:
    folder = straight.parent
    words = {"tiny.reference": True, "train.steps": 8}
    run = api.train(folder / "tiny.yaml", tmp_path / "run", folder / "manifest.csv", words)
    model = read_tensors(run / "checkpoints/step-00000008/model.safetensors")
    state = read_tensors(run / "checkpoints/step-00000008/state.safetensors")
    assert not any(name.startswith("reference") for name in model)
    assert "method/reference.weight" in state
    assert load_run(run).step == 8
    api.resume(run, {"train.steps": 12})
    later = read_tensors(run / "checkpoints/step-00000012/state.safetensors")
    assert torch.equal(later["method/reference.weight"], state["method/reference.weight"])


def test_resuming_with_another_optimiser_or_network(straight: Path, tmp_path: Path) -> None:
    folder = straight.parent
    run = api.train(folder / "tiny.yaml", tmp_path / "run", folder / "manifest.csv")
    with pytest.raises(InputError, match="settings it began with"):
        api.resume(run, {"optim.name": "sgd", "train.steps": 14})
    with pytest.raises(InputError, match="another network"):
        api.resume(run, {"tiny.width": 6, "train.steps": 14})
    assert load_run(run).step == 12


def test_rows_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 3}\nnot json\n{"step": "x"}\n[1]\n{"step": 2}\n{"st')
    drop_rows_after(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    drop_rows_after(tmp_path / "absent", 2)


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(straight: Path, tmp_path: Path) -> None:
    """The same recipe, the same global batch: torchrun with two gloo processes on the CPU."""
    folder = straight.parent
    overrides = {"tiny.dropout": 0.0, "train.log_every": 1, "train.accumulate": 2}
    alone = api.train(folder / "tiny.yaml", tmp_path / "one", folder / "manifest.csv", overrides)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    words = [f"--{key}={value}" for key, value in overrides.items()]
    arguments = command(
        "train", folder / "tiny.yaml", "--out", tmp_path / "two", "--data", folder / "manifest.csv", *words
    )
    done = subprocess.run(
        [*torchrun, *arguments[1:]],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(tmp_path / "two")) == 1
    for ours, theirs in zip(numbers(tmp_path / "two"), numbers(alone), strict=True):
        assert ours.pop("kind") == theirs.pop("kind")
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)
    ours, theirs = (load_run(tmp_path / name).method.state_dict() for name in ("two", "one"))
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


def test_a_batch_that_cannot_be_shared(straight: Path) -> None:
    config = load_config(straight.parent / "tiny.yaml", (), straight.parent / "manifest.csv")
    world = SimpleNamespace(num_processes=3, process_index=0, device=torch.device("cpu"))
    with pytest.raises(InputError, match="multiple of 3"):
        build_loaders(config, open_training_data(config).roles, None, world)
