"""Small frames on disk for the tests of this folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from vergence.data.manifest import FrameRow, Manifest

CAMERA = {"fx": 0.9, "fy": 1.1, "cx": 0.45, "cy": 0.55}


def picture(seed: int, height: int = 24, width: int = 40) -> np.ndarray:
    """A smooth random colour picture (H, W, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def video(
    root: Path,
    frames: int = 5,
    sequence: str = "a",
    height: int = 24,
    width: int = 40,
    size_known: bool = True,
    **columns,
) -> list[FrameRow]:
    """Rows of one sequence whose PNG frames are written below ``root``."""
    seed = sum(map(ord, sequence))
    rows = []
    for position in range(frames):
        save(root / sequence / f"{position:03d}.png", picture(100 * seed + position, height, width))
        size = {"width": width, "height": height} if size_known else {}
        values = {**CAMERA, **size, **columns}
        rows.append(FrameRow(f"{sequence}/{position:03d}.png", sequence, position, **values))
    return rows


def manifest(root: Path, frames: int = 5, **columns) -> Manifest:
    return Manifest(video(root, frames, **columns), root)
