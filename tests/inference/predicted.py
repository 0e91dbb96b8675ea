"""Runs whose depth is known, and pictures."""

import numpy as np
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config

HEIGHT, WIDTH = 64, 128


OVERRIDES = ["--network.encoder=resnet18", "--network.weights=none", "--pose.weights=none"]


class RedMethod(Method):
    """Says inverse depth = red / 255 + 0.01, and counts the pictures it was shown."""

    tasks = ("depth",)

    def __init__(self, metres_per_unit=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.shown = 0
        if metres_per_unit is not None:
            self.scale, self.metres_per_unit = "metric", metres_per_unit

    def predict(self, images):
        self.shown += len(images)
        return {"inverse_depth": images[:, :1] + 0.01, "disparity": images[:, :1]}


def made_run(tmp_path, method=None, step=7, **options):
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.options = FrameOptions(height=HEIGHT, width=WIDTH, **options)
    return LoadedRun(path=tmp_path / "run", config=config, method=method or RedMethod(), step=step)


def picture(red, size=(HEIGHT, WIDTH)):
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = red
    image[..., 1] = 77
    return image


def folder(tmp_path, reds=(50, 100, 200), size=(HEIGHT, WIDTH)):
    path = tmp_path / "frames"
    path.mkdir()
    for number, red in enumerate(reds):
        Image.fromarray(picture(red, size)).save(path / f"{number:03d}.png")
    return path


def depth_of(red):
    return 1 / (red / 255 + 0.01)
