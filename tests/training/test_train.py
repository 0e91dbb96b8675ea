"""The loop: what it writes, what it refuses, and that its arithmetic is the plain one."""

import json
import math
import os
import signal
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.tiny_method import TinyConfig, TinyMethod, write_frames, write_recipe
from vergence import api
from vergence.data.dataset import FrameDataset
from vergence.data.loading import build_loader, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError, Interrupted
from vergence.report.stored_run import logged_warnings
from vergence.runs.checkpoint import load_run
from vergence.runs.config import load_config
from vergence.training.optim import lr_factor
from vergence.training.train import Loop

PLAIN = {"tiny.dropout": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), depth=True)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path)


def rows(run: Path, kind: str = "train") -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [row for line in lines if (row := json.loads(line))["kind"] == kind]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_run(run).method.state_dict()


def naive_training(config: Any, accumulate: int = 1) -> tuple[TinyMethod, list[float]]:
    """The same run written down plainly: its own loop, clipping by hand, torch's Adam."""
    dataset = FrameDataset(Manifest.read(config.frames.source).select("train"), config.frames.options, True, 0)
    batches = iter(build_loader(dataset, config.frames.batch_size, 0, 0))
    torch.manual_seed(0)
    method = TinyMethod(TinyConfig(dropout=0.0), config.frames.options)
    optimizer = torch.optim.Adam(method.parameters(), lr=config.optim.lr)
    losses = []
    for step in range(config.train.steps):
        optimizer.param_groups[0]["lr"] = config.optim.lr * lr_factor(config.optim, config.train.steps, step)
        optimizer.zero_grad()
        total = 0.0
        for _ in range(accumulate):
            found = method({"unlabelled": prepare_batch(next(batches))}, step)
            loss = found["colour"] + found["size"]
            (loss / accumulate).backward()
            total += loss.item() / accumulate
        norm = math.sqrt(sum(float(p.grad.square().sum()) for p in method.parameters() if p.grad is not None))
        for parameter in method.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(min(1.0, config.optim.clip / (norm + 1e-6)))
        optimizer.step()
        losses.append(total)
    return method, losses


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_loop_equals_a_plain_one(recipe: Path, data: Path, tmp_path: Path, accumulate: int) -> None:
    overrides = {**PLAIN, "train.accumulate": accumulate, "train.log_every": 1, "train.channels_last": False}
    method, losses = naive_training(load_config(recipe, overrides, data), accumulate)
    run = api.train(recipe, tmp_path / "run", data, overrides)
    assert [row["loss"] for row in rows(run)] == pytest.approx(losses, rel=1e-5)
    for name, parameter in method.named_parameters():
        torch.testing.assert_close(weights(run)[name], parameter.detach(), rtol=1e-4, atol=1e-6)


def test_rows_and_files_of_a_run(recipe: Path, data: Path, tmp_path: Path) -> None:
    run = api.train(recipe, tmp_path / "run", data, {"optim.group_lr.head": 0.02})
    train = rows(run)
    assert [row["step"] for row in train] == [2, 4, 6, 8, 10, 12]
    for row in train:
        assert row["loss"] == pytest.approx(row["colour"] + row["size"])
        assert row["lr/head"] == pytest.approx(2 * row["lr"])
        assert row["images_per_second"] > 0
        assert 0 <= row["data_wait"] <= 1
    assert train[-1]["loss"] < train[0]["loss"]
    assert [row["event"] for row in rows(run, "event")] == ["started", "finished"]
    again = load_config(run / "recipe.yaml")
    assert again == load_config(recipe, {"optim.group_lr.head": 0.02}, data)


@pytest.mark.parametrize(("weights", "told"), [("auto", True), ("none", False)])
def test_weights_that_were_not_found_are_in_the_log(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str, told: bool
) -> None:
    monkeypatch.setattr("vergence.models.weights.hub_reachable", lambda: False)
    small = {"encoder": "test_efficientnet", "weights": weights}
    words = {f"{part}.{key}": value for part in ("network", "pose") for key, value in small.items()}
    words |= {"network.decoder_widths": [4] * 5, "frames.options.height": 64, "frames.options.width": 64}
    words |= {"frames.options.offsets": [-1, 1], "train.steps": 1, "frames.batch_size": 2, "frames.workers": 0}
    run = api.train("depth-toytown-tiny", tmp_path / "run", data, words)
    said = [row["message"] for row in rows(run, "event") if row["event"] == "random weights"]
    assert len(said) == told  # of two networks with one encoder
    assert logged_warnings(rows(run, "event")) == said
    assert all("Encoder test_efficientnet started from random weights: weights auto found none" in one for one in said)


def test_logged_losses_are_means_over_the_steps_between(recipe: Path, data: Path, tmp_path: Path) -> None:
    often = rows(api.train(recipe, tmp_path / "often", data, {"train.log_every": 1}))
    seldom = rows(api.train(recipe, tmp_path / "seldom", data, {"train.log_every": 4}))
    expected = np.array([row["loss"] for row in often]).reshape(3, 4).mean(axis=1)
    assert [row["loss"] for row in seldom] == pytest.approx(expected.tolist(), rel=1e-5)


def test_evaluation_rows_and_mean_weights(recipe: Path, data: Path, tmp_path: Path) -> None:
    run = api.train(recipe, tmp_path / "run", data, {"train.evaluate_every": 5, "train.ema": 0.5})
    found = rows(run, "evaluate")
    assert [row["step"] for row in found] == [5, 10, 12]
    assert all(math.isfinite(row["abs_rel"]) and row["protocol"] for row in found)
    # evaluation must not disturb training, and what is evaluated last is what is stored
    plain = api.train(recipe, tmp_path / "plain", data, {"train.ema": 0.5})
    assert [row["loss"] for row in rows(plain)] == [row["loss"] for row in rows(run)]
    assert all(torch.equal(value, weights(plain)[name]) for name, value in weights(run).items())
    assert api.evaluate(run, baselines=False, device="cpu")["rows"][0]["abs_rel"] == pytest.approx(found[-1]["abs_rel"])


def test_mean_weights_are_stored_and_the_trained_ones_kept(recipe: Path, data: Path, tmp_path: Path) -> None:
    mean = weights(api.train(recipe, tmp_path / "mean", data, {"train.ema": 0.9}))
    last = weights(api.train(recipe, tmp_path / "last", data))
    assert not torch.equal(mean["head.weight"], last["head.weight"])


def test_no_measured_depth_means_no_evaluation(recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = api.train(recipe, tmp_path / "run", write_frames(tmp_path), {"train.evaluate_every": 5})
    assert rows(run, "evaluate") == []
    assert "no evaluation during training" in caplog.text


def test_a_broken_file_in_the_evaluation_does_not_end_the_training(recipe: Path, tmp_path: Path) -> None:
    manifest = write_frames(tmp_path, depth=True)
    (tmp_path / "8.npy").write_bytes(b"broken")
    run = api.train(recipe, tmp_path / "run", manifest, {"train.evaluate_every": 12})
    assert load_run(run).step == 12
    assert "8.npy" in rows(run, "event")[1]["reason"]


def test_nothing_waits_for_the_device_between_loggings(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes a tensor a Python number is counted: once a logging, however many steps lie between."""
    counts = {"calls": 0}

    def counting(name: str) -> None:
        original = getattr(torch.Tensor, name)

        def wrapper(self: torch.Tensor, *arguments: Any, **keywords: Any) -> Any:
            counts["calls"] += 1
            return original(self, *arguments, **keywords)

        monkeypatch.setattr(torch.Tensor, name, wrapper)

    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        counting(name)
    step = Loop._step

    def watched(self: Loop) -> None:
        before = counts["calls"]
        step(self)
        stepped.append(counts["calls"] - before)

    stepped: list[int] = []
    monkeypatch.setattr(Loop, "_step", watched)
    api.train(recipe, tmp_path / "run", data, {"optim.name": "sgd", "frames.options.jitter": 0.0})
    # prepare_batch asks the (CPU) colour draws of each of the 4 samples whether there are any
    assert max(stepped) <= 4


def test_deterministic_algorithms_train_to_the_same_numbers(recipe: Path, data: Path, tmp_path: Path) -> None:
    seen: list[bool] = []
    calls = {"step": lambda *_: seen.append(torch.are_deterministic_algorithms_enabled())}
    plain = rows(api.train(recipe, tmp_path / "plain", data, PLAIN))
    same = rows(api.train(recipe, tmp_path / "same", data, {**PLAIN, "train.deterministic": True}, calls))
    assert seen
    assert all(seen)
    assert [row["loss"] for row in same] == [row["loss"] for row in plain]


def test_bf16_stays_near(recipe: Path, data: Path, tmp_path: Path) -> None:
    exact = rows(api.train(recipe, tmp_path / "no", data, PLAIN))
    short = rows(api.train(recipe, tmp_path / "bf16", data, {**PLAIN, "train.precision": "bf16"}))
    assert [row["loss"] for row in short] == pytest.approx([row["loss"] for row in exact], rel=0.05)
    assert [row["loss"] for row in short] != [row["loss"] for row in exact]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    recipe: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no longer finite between steps 5 and 6.*step-00000004"):
        api.train(recipe, tmp_path / "run", data, {"tiny.explode_at": 5})
    assert load_run(tmp_path / "run").step == 4
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "run").values())
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_and_writes_a_checkpoint(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    step = Loop._step

    def interrupted(self: Loop) -> None:
        if self.state.step == 6:
            os.kill(os.getpid(), number)
        step(self)

    before = signal.getsignal(number)
    monkeypatch.setattr(Loop, "_step", interrupted)
    with pytest.raises(Interrupted, match="stopped at step 7 of 12") as stop:
        api.train(recipe, tmp_path / "run", data)
    assert stop.value.exit_code == code
    assert signal.getsignal(number) == before
    monkeypatch.undo()
    resumed = weights(api.resume(tmp_path / "run"))
    straight = weights(api.train(recipe, tmp_path / "straight", data))
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)


def test_folders_that_exist(recipe: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    api.train(recipe, tmp_path / "empty", data, {"train.steps": 1})
    with pytest.raises(InputError, match=r"exists.*--resume"):
        api.train(recipe, tmp_path / "empty", data)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        api.train(recipe, tmp_path / "file", data)
    with pytest.raises(InputError, match="cannot be written"):
        api.train(recipe, tmp_path / "file" / "below", data)
    with pytest.raises(InputError, match="no run"):
        api.resume(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"train.device": "cuda"}, "no usable GPU"),
        ({"train.device": "tpu"}, "unknown"),
        ({"train.precision": "fp16"}, "needs a GPU"),
        ({"train.trackers": ["wandb"]}, r"pip install 'vergence\[wandb\]'"),
        ({"train.trackers": ["wandbb"]}, "did you mean 'wandb'"),
        ({"frames.train_split": "trian"}, "'train'"),
        ({"optim.group_lr": {"decoder": 1.0}}, "groups are encoder, head"),
        ({"frames.source": ""}, "--data"),
        ({"frames.source": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_what_cannot_be_used_leaves_nothing_behind(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict, said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(InputError, match=said):
        api.train(recipe, tmp_path / "run", data, overrides)
    assert not (tmp_path / "run").exists()


def test_a_missing_frame_leaves_nothing_behind(recipe: Path, tmp_path: Path) -> None:
    manifest = write_frames(tmp_path)
    for path in (tmp_path / "image").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"\.png"):
        api.train(recipe, tmp_path / "run", manifest)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_noticed_before_the_first_step(
    recipe: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(1, 1, 0))
    monkeypatch.setattr(Loop, "_step", lambda self: pytest.fail("a step was made"))
    with pytest.raises(InputError, match=r" MB for checkpoints and 0\.0 MB are free"):
        api.train(recipe, tmp_path / "run", data)


def test_tensorboard_when_asked(recipe: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = api.train(recipe, tmp_path / "run", data, {"train.trackers": ["tensorboard"]})
    assert list(run.rglob("events.out.tfevents*"))
