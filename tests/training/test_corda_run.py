"""A run of CorDA through the engine: two domains, their depths, rare classes, labelled target frames, resuming."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.test_pools import HEIGHT, WIDTH, world
from vergence import api
from vergence.errors import InputError
from vergence.inference.predictor import load
from vergence.runs.checkpoint import load_run, read_tensors

RECIPE = f"""
method: corda
frames:
  batch_size: 2
  workers: 0
  labelled: {{count: 2}}
  options: {{height: {HEIGHT}, width: {WIDTH}, random_crop: [32, 48]}}
optim: {{name: sgd, lr: 0.001, group_lr: {{heads: 0.01}}}}
train: {{steps: 4, checkpoint_every: 2, device: cpu}}
corda:
  network: {{variant: gta, encoder: test_resnet, weights: none, width: 8}}
  labelled: true
  source_size: [80, 96]
  align_depth: median
  rare_class_temperature: 0.1
  feature_distance: {{weight: 0.005, classes: [car]}}
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def recipe(folder: Path) -> Path:
    path = folder / "corda-small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_trains_resumes_to_the_same_numbers_and_predicts(tmp_path: Path) -> None:
    target, source = world(tmp_path / "target", 1), world(tmp_path / "source", 2)
    settings = {"frames.source_domain": str(source), "train.keep_states": 2}
    run = Path(api.train(recipe(tmp_path), tmp_path / "run", target, settings))
    cut = tmp_path / "cut"
    shutil.copytree(run, cut)
    shutil.rmtree(cut / "checkpoints" / "step-00000004")
    api.resume(cut)
    for name in ("model", "state"):  # the teacher and the starting encoder are in the state
        ours, theirs = (
            read_tensors(one / "checkpoints" / "step-00000004" / f"{name}.safetensors") for one in (run, cut)
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert {name.split(".")[0] for name in load_run(run).method.state_dict()} == {"network", "depth_scale"}
    method = load_run(run).method.eval()
    found = method.predict(torch.rand(1, 3, HEIGHT, WIDTH))
    assert found["logits"].shape == (1, 3, HEIGHT, WIDTH)
    assert found["inverse_depth"].shape == (1, 1, HEIGHT, WIDTH)
    assert all(maps.isfinite().all() for maps in found.values())


def test_depth_of_the_target_is_predicted_and_scored_where_it_is_learned(tmp_path: Path) -> None:
    target, source = world(tmp_path / "target", 1), world(tmp_path / "source", 2)
    settings = {"frames.source_domain": str(source), "train.steps": 1, "train.evaluate_every": 1}
    settings["frames.val_split"] = "train"
    run = Path(api.train(recipe(tmp_path), tmp_path / "run", target, settings))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    row = next(row for row in rows if row["kind"] == "evaluate")
    assert {"abs_rel", "miou"} <= row.keys()
    result = api.evaluate(run, baselines=False, device="cpu")
    assert result["rows"][0]["abs_rel"] == pytest.approx(row["abs_rel"], rel=1e-4)
    assert result["scale_status"] == "metric"
    seen = load(run).predict(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert seen.unit == "metres"
    assert seen.depth is not None
    assert 0.1 <= seen.depth.min() <= seen.depth.max() <= 655.36
    assert seen.class_names
    api.predict(run, target, tmp_path / "predictions", device="cpu")
    assert list((tmp_path / "predictions" / "depth").rglob("*.png"))
    alone = {**settings, "corda.depth": False, "network.variant": "dacs"}
    run = Path(api.train(recipe(tmp_path), tmp_path / "dacs", target, alone))
    assert load_run(run).method.tasks == ("segmentation",)


def test_missing_depth_on_one_side(tmp_path: Path) -> None:
    target, source = world(tmp_path / "target", 1, depth=False), world(tmp_path / "source", 2)
    with pytest.raises(InputError, match=r"has no measured depth .* to learn from"):
        api.train(recipe(tmp_path), tmp_path / "run", target, {"frames.source_domain": str(source)})


@pytest.mark.parametrize("labelled", [False, True])
def test_the_answer_that_ignores_the_picture_knows_the_labels_that_were_learned(tmp_path: Path, labelled: bool) -> None:
    """All source labels are class 2, all target labels class 1."""
    target, source = world(tmp_path / "target", 1), world(tmp_path / "source", 2)
    settings = {"frames.source_domain": str(source), "corda.labelled": labelled, "train.steps": 1}
    run = Path(api.train(recipe(tmp_path), tmp_path / "run", target, settings))
    result = api.evaluate(run, data=target, split="train", device="cpu")
    rows = {row["name"]: row for row in result["segmentation"]["rows"]}
    assert rows["input_free"]["pixel_accuracy"] == float(labelled)
    assert rows["input_free"]["note"].endswith(f"{2 if labelled else 6} training labels")
