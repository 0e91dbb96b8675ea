"""The best checkpoint beside the newest, early stopping, and going on from either."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.test_resume import numbers
from tests.training.tiny_method import TinyMethod, write_frames, write_recipe
from vergence import api
from vergence.errors import InputError
from vergence.inference.predict import summary
from vergence.inference.predictor import load
from vergence.runs.checkpoint import load_run
from vergence.runs.folder import RunFolder, find_checkpoint, find_weights, is_run
from vergence.training.run_chain import is_finished

ERRORS = {2: 0.5, 4: 0.3, 6: 0.1, 8: 0.4, 10: 0.2, 12: 0.3}
"""What the weights of each step are worth: abs_rel is a quarter of it."""
EVERY = {"train.evaluate_every": 2, "train.checkpoint_every": 5, "train.keep": 1, "train.log_every": 4}


def predict(method: TinyMethod, images: Tensor) -> dict[str, Tensor]:
    depth = torch.full_like(images[:, :1], 10.0)
    depth[..., : images.shape[-1] // 4] *= 1 + ERRORS.get(int(method.get_buffer("steps_seen")), 0.9)
    return {"disparity": 1 / depth, "inverse_depth": 1 / depth}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyMethod, "predict", predict)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_recipe(folder)
    write_frames(folder, depth=True)
    for file in folder.glob("*.npy"):
        np.save(file, np.full_like(np.load(file), 10.0))
    return folder


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinyMethod, "predict", predict)
        return trained(home, home / "run")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def trained(home: Path, run: Path, **changes: Any) -> Path:
    settings = EVERY | {f"train.{name}": value for name, value in changes.items()}
    return api.train(home / "tiny.yaml", run, home / "manifest.csv", settings)


def steps(run: Path) -> list[int]:
    return [checkpoint.step for checkpoint in RunFolder(run).checkpoints()]


def events(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [row for line in lines if (row := json.loads(line))["kind"] == "event"]


def test_the_best_stays_beside_the_newest(run: Path) -> None:
    assert steps(run) == [6, 12]
    best, newest = RunFolder(run).checkpoints()
    assert str(best.score) == "abs_rel 0.025"
    assert (best.has_state, newest.has_state) == (False, True)
    found = [row for row in numbers(run) if row["kind"] == "evaluate"]
    assert {row["step"]: row["score"] for row in found} == pytest.approx({k: v / 4 for k, v in ERRORS.items()})
    assert {row["measure"] for row in found} == {"abs_rel"}


def test_one_checkpoint_is_asked_for_by_name_everywhere(run: Path, home: Path, tmp_path: Path) -> None:
    picture = home / "image" / "9.png"
    folder = run / "checkpoints"
    assert [load_run(folder / name).step for name in ("best", "last", "6", "step-6", "12")] == [6, 12, 6, 6, 12]
    assert is_run(folder / "best")
    assert not is_run(folder / "worst")
    assert find_weights(folder / "best") == RunFolder(run).checkpoint(6).weights
    assert load(run, "cpu").network.made_by()["step"] == 12
    assert load(run, "cpu", checkpoint="best").network.made_by()["step"] == 6
    assert load(run, "cpu", checkpoint=6).network.made_by()["step"] == 6
    result = api.evaluate(run, checkpoint="best", device="cpu", baselines=False)
    assert (result["step"], result["checkpoint"]) == (6, "best")
    assert "step 6 (best, abs_rel 0.025)" in result["stamp"]
    assert result["rows"][0]["abs_rel"] == pytest.approx(0.025)
    assert (run / "evaluation" / "plain-best.json").is_file()
    record = api.predict(run, picture, tmp_path / "out", checkpoint="best", device="cpu")
    assert (record["step"], record["checkpoint"]) == (6, "best")
    assert summary(record) == "1 frames, depth unscaled, step 6 (best)"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("7", "7 does not exist; the checkpoints of .*run are: .*6, step-00000012"),
        ("newest", "newest does not exist; the checkpoints"),
    ],
)
def test_no_such_checkpoint(run: Path, word: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        api.evaluate(run, checkpoint=word)
    with pytest.raises(InputError, match="no run folder, so it has no checkpoint best"):
        load("hf:someone/model", checkpoint="best")


def test_without_an_evaluation_none_is_the_best(home: Path, tmp_path: Path) -> None:
    run = trained(home, tmp_path / "run", evaluate_every=0)
    with pytest.raises(InputError, match=r"none is known to be the best.*train\.evaluate_every"):
        load_run(run / "checkpoints" / "best")


def test_a_torn_best_checkpoint_is_said_and_the_next_best_is_used(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = RunFolder(run).checkpoint(6).weights
    weights.write_bytes(weights.read_bytes()[:-20])
    assert find_checkpoint(run / "checkpoints" / "best").step == 12
    assert "step-00000006 is damaged" in caplog.text
    assert "using step-00000012, the next best (abs_rel 0.075)" in caplog.text


def test_the_best_is_not_what_training_goes_on_from(run: Path) -> None:
    with pytest.raises(InputError, match="its optimiser state is gone"):
        api.resume(run / "checkpoints" / "best", {"train.steps": 14})
    api.resume(run, {"train.steps": 14})
    assert steps(run) == [6, 14]


def test_training_stops_where_nothing_gets_better(home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = trained(home, tmp_path / "run", stop_after=2)
    assert steps(run) == [6, 10]
    reason = "2 evaluations were not better than abs_rel 0.025 of step 6"
    assert events(run)[-1] | {"time": ""} == {
        "step": 10, "kind": "event", "time": "", "event": "stopped early", "reason": reason,
    }  # fmt: skip
    assert is_finished(run, load_run(run).config)
    before = (run / "metrics.jsonl").read_text()
    api.resume(run)
    assert f"stopped early at step 10: {reason}; give --train.stop_after 0" in caplog.text
    assert (run / "metrics.jsonl").read_text() == before
    api.resume(run, {"train.stop_after": 0})
    assert (steps(run), events(run)[-1]["event"]) == ([6, 12], "finished")


def test_a_resumed_run_stops_where_an_uninterrupted_one_does(home: Path, tmp_path: Path) -> None:
    straight = trained(home, tmp_path / "straight", stop_after=2)
    run = trained(home, tmp_path / "run", stop_after=2, steps=8)
    api.resume(run, {"train.steps": 12})
    scores = [[row["score"] for row in numbers(one) if row["kind"] == "evaluate"] for one in (run, straight)]
    assert scores[0] == scores[1]
    assert steps(run) == steps(straight) == [6, 10]
