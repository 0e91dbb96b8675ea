"""Files of rendered data sets."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.labels import CITYSCAPES_IDS
from vergence.data.manifest import Manifest

NAMES = [f"{number:05d}.png" for number in range(1, 4)]


SIZE = (32, 16)


IDS = (np.indices(SIZE[::-1]).sum(0) % 23).astype(np.uint8)


def save(path: Path, array: np.ndarray, palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image.putpalette([part for colour in CITYSCAPES_IDS.colours for part in colour])
    image.save(path)
    return path


def sample(manifest: Manifest, row: int = 0, **options) -> dict[str, torch.Tensor]:
    chosen = FrameOptions(height=16, width=32, offsets=(), load_label=True, label_space="cityscapes19", **options)
    return FrameDataset(manifest, chosen, train=False)[row]
