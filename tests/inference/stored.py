"""A stored run of depth and classes with random weights, and things to show it."""

from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.videos.video_writer import write_video
from vergence.runs.checkpoint import build_method, write_checkpoint
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder

SPACE = "toy:sky#4682b4,road#804080,car#00008e"
SETTINGS = {
    "three_ways.multi_task": True,
    "three_ways.depth": "online",
    "network.encoder": "resnet18",
    "network.weights": "none",
    "pose.weights": "none",
    "frames.options.label_space": SPACE,
    "frames.options.height": 64,
    "frames.options.width": 96,
    "frames.options.random_crop": [64, 64],
}


def stored_run(folder: Path) -> Path:
    """A run folder with one checkpoint."""
    config = load_config("three_ways-toytown-tiny", SETTINGS)
    method = build_method(config, "loading")
    write_checkpoint(RunFolder(folder), 1, config, method.state_dict(), {}, {})
    return folder


def picture(seed: int = 0, height: int = 90, width: int = 160) -> np.ndarray:
    """(H, W, 3) uint8, smooth, so that a lossy file changes it little."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def video(path: Path, frames: int = 5) -> Path:
    """A short video."""
    write_video(path, (picture(number) for number in range(frames)), 10.0)
    return path
