"""A run of SemHint through the engine: noisy labels by a port, stages, resuming, evaluation of both tasks."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from vergence import api
from vergence.data.toytown import TownOptions, write_toytown
from vergence.errors import InputError
from vergence.runs.checkpoint import load_run, read_tensors

RECIPE = """
method: semhint
frames:
  batch_size: 2
  workers: 0
  options: {height: 64, width: 96, offsets: [-1, 1]}
optim: {name: adam, lr: 0.0001}
train: {steps: 4, checkpoint_every: 2, log_every: 2, evaluate_every: 0, device: cpu}
semhint:
  network: {encoder: test_resnet, weights: none, shared_blocks: 4, head_channels: 0, scales: [0, 1]}
  pose: {encoder: posecnn}
  labels: truth
  start: 1
  ramp: 2
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return write_toytown(tmp_path / "town", TownOptions(width=96, height=64), {"train": 1, "val": 1}, frames=4)


def recipe(folder: Path, extra: str = "") -> Path:
    path = folder / "semhint-small.yaml"
    path.write_text(RECIPE + extra, encoding="utf-8")
    return path


def test_trains_resumes_to_the_same_numbers_and_is_scored_on_both_tasks(tmp_path: Path, town: Path) -> None:
    run = Path(api.train(recipe(tmp_path), tmp_path / "run", town, {"train.keep_states": 2}))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [row for row in rows if row["kind"] == "train"][-1]
    assert {"photometric", "segmentation", "hint", "_hint_accepted", "_hint_accepted/road"} <= last.keys()
    cut = tmp_path / "cut"
    shutil.copytree(run, cut)
    shutil.rmtree(cut / "checkpoints" / "step-00000004")
    api.resume(cut)
    for name in ("model", "state"):  # the teacher is in the state
        ours, theirs = (
            read_tensors(one / "checkpoints" / "step-00000004" / f"{name}.safetensors") for one in (run, cut)
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert not any(name.startswith("reference") for name in load_run(run).method.state_dict())
    result = api.evaluate(run, town, baselines=False)
    assert 0 < result["rows"][0]["abs_rel"] < 10
    assert 0 <= result["segmentation"]["rows"][0]["miou"] <= 1


def test_starts_from_a_depth_run_trunk_included(tmp_path: Path, town: Path) -> None:
    depth = RECIPE.replace("semhint", "depth").replace("  labels: truth\n  start: 1\n  ramp: 2\n", "")
    (tmp_path / "depth.yaml").write_text(depth.replace(", shared_blocks: 4, head_channels: 0", ""), encoding="utf-8")
    start = Path(api.train(tmp_path / "depth.yaml", tmp_path / "depth", town))
    settings = {"semhint.initialize_from": str(start), "train.steps": 1, "optim.lr": 1e-12}
    run = load_run(Path(api.train(recipe(tmp_path), tmp_path / "run", town, settings)))
    ours, theirs = (one.method.state_dict() for one in (run, load_run(start)))
    shared = {name.replace("network.decoder", "network.trunk") for name in theirs} & ours.keys()
    assert any(name.startswith("network.trunk") for name in shared)
    for name, value in theirs.items():
        name = name.replace("decoder", "trunk") if name.replace("decoder", "trunk") in ours else name
        name = name.replace("decoder", "depth")
        if name.endswith(("weight", "bias")) and not name.startswith("pose"):
            assert torch.allclose(ours[name], value, atol=1e-8), name


def test_no_label_port(tmp_path: Path, town: Path) -> None:
    with pytest.raises(InputError, match=r"set semhint\.labels"):
        api.train(recipe(tmp_path), tmp_path / "run", town, {"semhint.labels": ""})
    assert not (tmp_path / "run").exists()
