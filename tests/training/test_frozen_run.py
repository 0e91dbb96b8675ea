"""A frozen head through the engine: trained, resumed to the same numbers, scored, and used for prediction."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vergence import api
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.runs.checkpoint import read_tensors

SPACE = "toy:road#804080,sky#4682b4"
SETTINGS = {
    "network.encoder": "mobilenetv3_small_050",
    "network.weights": "none",
    "frames.options.height": 64,
    "frames.options.width": 96,
    "frames.workers": 0,
    "train.steps": 12,
    "train.checkpoint_every": 6,
    "train.device": "cpu",
    "optim.lr": 0.02,
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))


def streets(folder: Path) -> Path:
    """Dark road below, bright sky above, horizons of different heights; the last two frames judge."""
    rng, rows = np.random.default_rng(0), []
    for name in ("image", "label"):
        (folder / name).mkdir(parents=True)
    for k in range(6):
        label = (np.arange(64)[:, None] < 20 + 4 * k).astype(np.uint8).repeat(96, axis=1)
        image = 60 + 150 * label[..., None] + rng.integers(0, 30, (64, 96, 3))
        Image.fromarray(image.astype(np.uint8)).save(folder / f"image/{k}.png")
        Image.fromarray(label).save(folder / f"label/{k}.png")
        split = "train" if k < 4 else "val"
        rows.append(FrameRow(f"image/{k}.png", "s", k, split, label=f"label/{k}.png", label_space=SPACE))
    return Manifest(rows, folder).write(folder / "manifest.parquet")


def test_train_resume_evaluate_predict(tmp_path: Path) -> None:
    data = streets(tmp_path / "data")
    run = Path(api.train("frozen-video", tmp_path / "run", data, SETTINGS | {"train.keep_states": 2}))
    cut = tmp_path / "cut"
    shutil.copytree(run, cut)
    shutil.rmtree(cut / "checkpoints" / "step-00000012")
    api.resume(cut)
    ours, theirs = (read_tensors(one / "checkpoints/step-00000012/model.safetensors") for one in (run, cut))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    rows = {row["name"]: row for row in api.evaluate(run)["segmentation"]["rows"]}
    assert rows["trained"]["pixel_accuracy"] > 0.9 > rows["untrained"]["pixel_accuracy"]
    api.predict(run, data, tmp_path / "out", split="val", overlay=False)
    labels = sorted((tmp_path / "out").rglob("*.png"))
    assert {np.array(Image.open(path)).shape[:2] for path in labels} == {(64, 96)}
