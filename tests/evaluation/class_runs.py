"""Runs whose classes are known."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vergence.data.frame_options import FrameOptions
from vergence.data.labels import label_space
from vergence.data.rows.frame_row import FrameRow
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config

HEIGHT, WIDTH = 64, 128


SPACE = label_space("toy:sky#4682b4,road#804080,car#00008e")


OVERRIDES = ["--network.encoder=resnet18", "--network.weights=none", "--pose.weights=none"]


class RedMethod(Method):
    """Says class round(red / 100)."""

    tasks = ("segmentation",)
    label_space = SPACE

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def predict(self, images):
        red = images[:, 0] * 255
        return {"logits": torch.stack([-(red - 100 * k).abs() / 20 for k in range(3)], dim=1)}


def made_run(tmp_path, source=None, method=None, **settings):
    config = load_config("depth-kitti-tiny", OVERRIDES)
    config.frames.source, config.frames.val = source, None
    config.frames.options = FrameOptions(height=HEIGHT, width=WIDTH, offsets=("s",))
    config.evaluate.protocol, config.evaluate.limit = "plain", None
    for name, value in settings.items():
        setattr(config.evaluate, name, value)
    return LoadedRun(path=tmp_path / "run", config=config, method=method or RedMethod(), step=7)


def frame(folder: Path, number: int, said, label=None, split="val", space="", **columns):
    """A frame that makes the method say ``said`` (H, W), with this label."""
    said = np.asarray(said, np.uint8)
    image = np.zeros((*said.shape, 3), np.uint8)
    image[..., 0] = 100 * said
    name = f"{split}{number}"
    Image.fromarray(image).save(folder / f"{name}.png")
    if label is not None:
        Image.fromarray(np.asarray(label, np.uint8)).save(folder / f"{name}_label.png")
        columns |= {"label": f"{name}_label.png", "label_space": space or SPACE.text()}
    size = {"width": said.shape[1], "height": said.shape[0]}
    return FrameRow(f"{name}.png", "s", number, split=split, **size, **columns)


def halves(left, right, size=(HEIGHT, WIDTH)):
    """Two classes side by side."""
    found = np.full(size, left, np.uint8)
    found[:, size[1] // 2 :] = right
    return found


def trained(result):
    return result["segmentation"]["rows"][0]


def untrained_says_sky(monkeypatch):
    """The settings of these runs are those of another method: an untrained network is one that always says sky."""

    class Untrained(RedMethod):
        def predict(self, images):
            return super().predict(torch.zeros_like(images))

    monkeypatch.setattr("vergence.evaluation.image_scores.untrained_method", lambda run: (Untrained(), ""))
