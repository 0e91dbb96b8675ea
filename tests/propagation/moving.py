"""A small video whose motion is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.motion.confidence import IGNORED


def video(folder: Path, frames: int = 6, size: tuple[int, int] = (96, 48), label: int = 1, **changes) -> Manifest:
    """Noise that moves two pixels a frame; frame 2 has a label of a border that moves along."""
    width, height = size
    small = np.random.default_rng(0).integers(0, 256, (max(height // 6, 2), (width + 60) // 6, 3), dtype=np.uint8)
    wide = np.asarray(Image.fromarray(small).resize((width + 60, height), Image.Resampling.BICUBIC))
    rows = []
    for k in range(frames):
        Image.fromarray(wide[:, 2 * k : 2 * k + width]).save(folder / f"{k}.png")
        rows.append(FrameRow(f"{k}.png", "s", k, fps=10.0))
    ids = np.full((height, width), label, np.uint8)
    ids[:, : width // 2] = label if label == IGNORED else 0
    Image.fromarray(ids).save(folder / "label.png")
    rows[2] = replace(rows[2], **{"label": "label.png", "label_space": "camvid11", **changes})
    return Manifest(rows, folder)
