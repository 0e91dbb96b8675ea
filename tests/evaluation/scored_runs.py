"""Runs whose depth is known, and frames to score them on."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.rows.frame_row import FrameRow
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config

HEIGHT, WIDTH = 64, 128


OVERRIDES = ["--network.encoder=resnet18", "--network.weights=none", "--pose.weights=none"]


class RedMethod(Method):
    """Says inverse depth = red / 40: depth 2, 5, 8, 40 where red is 20, 8, 5, 1."""

    tasks = ("depth",)

    def __init__(self, metres_per_unit=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        if metres_per_unit is not None:
            self.scale, self.metres_per_unit = "metric", metres_per_unit

    def predict(self, images):
        return {"inverse_depth": (images[:, :1] * 255).round().clamp(min=1) / 40, "disparity": images[:, :1]}


def made_run(tmp_path, source=None, method=None, options=None):
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.source, config.frames.val = source, None
    config.frames.options = options or FrameOptions(height=HEIGHT, width=WIDTH, offsets=("s",))
    config.evaluate.protocol, config.evaluate.limit = "plain", None
    return LoadedRun(path=tmp_path / "run", config=config, method=method or RedMethod(), step=7)


def frame(folder: Path, number: int, red=(), depth=(), split="val", sequence="s", size=(HEIGHT, WIDTH), **columns):
    """A frame whose first pixels have these reds and measured depths; elsewhere red is 1 and nothing is measured."""
    image, truth = np.ones((*size, 3), np.uint8), np.zeros(size, np.float32)
    image[0, : len(red), 0] = red
    truth[0, : len(depth)] = depth
    name = f"{sequence}{number}"
    Image.fromarray(image).save(folder / f"{name}.png")
    if len(depth):
        np.save(folder / f"{name}.npy", truth)
        columns["depth"] = f"{name}.npy"
    return FrameRow(f"{name}.png", sequence, number, split=split, width=size[1], height=size[0], **columns)


def golden(folder, number=0, **columns):
    return frame(folder, number, (20, 8, 5, 1), (2, 4, 10, 20), **columns)


def rows(result):
    return {row["name"]: row for row in result["rows"]}
