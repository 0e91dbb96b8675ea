"""A small run of depth to write pages about."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.runs.checkpoint import LoadedRun, build_method
from vergence.runs.config import load_config

HEIGHT, WIDTH = 64, 128
OVERRIDES = ["--network.encoder=resnet18", "--network.weights=none", "--pose.weights=none"]


def depth_run(tmp_path: Path) -> LoadedRun:
    """A run (untrained, called step 40 of 100) and a manifest of two short sequences with truth."""
    random = np.random.default_rng(0)
    rows = []
    for split in ("train", "val"):
        for k in range(3):
            name = f"{split}{k}"
            Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / f"{name}.png")
            np.save(tmp_path / f"{name}.npy", random.uniform(2, 30, (HEIGHT, WIDTH)).astype(np.float32))
            rows.append(
                FrameRow(
                    f"{name}.png", f"{split}-street", k, split, fx=1.0, fy=2.0, cx=0.5, cy=0.5, depth=f"{name}.npy"
                )
            )
    manifest = Manifest(rows, tmp_path)
    manifest.write(tmp_path / "manifest.csv")
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.source, config.frames.val = str(tmp_path / "manifest.csv"), None
    config.frames.options = FrameOptions(height=HEIGHT, width=WIDTH, offsets=(-1, 1))
    config.train.steps = 100
    config.evaluate.limit = None
    torch.manual_seed(1)
    run = LoadedRun(tmp_path / "run", config, build_method(config, "loading").eval(), 40)
    run.path.mkdir()
    (run.path / "recipe.yaml").write_text(yaml.safe_dump(config.to_dict()))
    records = [
        {"step": 0, "kind": "event", "event": "started", "vergence": "0.1.0", "device": "cpu"},
        *({"step": step, "kind": "train", "loss": 10 / step**2, "_kept": 0.6} for step in (10, 20, 30, 40)),
        {"step": 40, "kind": "event", "warning": "not evaluated: <no data>"},
    ]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run
