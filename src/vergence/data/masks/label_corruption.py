"""Labels made worse on purpose, by known noise (:class:`~vergence.settings.label_corruption.LabelCorruption`)."""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.batch import IGNORED_LABEL
from vergence.settings.label_corruption import LabelCorruption

_CELL = 4
"""Spacing of the random field, in units of its largest displacement: borders bend and regions do not fold."""
_RADII = (0.02, 0.1)
"""Smallest and largest radius of blobs, as shares of the picture's shorter side."""


def corrupted(label: NDArray[np.uint8], corruption: LabelCorruption, classes: int, key: str) -> NDArray[np.uint8]:
    """A worse copy of class ids (H, W) uint8; pixels without a class (255) get none from blobs.

    Args:
        label: at the working size, in whose pixels ``border`` counts.
        corruption: how much worse.
        classes: size of the label space, whose ids blobs draw from.
        key: name of the frame: another one is corrupted in another way.
    """
    name = int.from_bytes(hashlib.sha256(key.encode(errors="surrogateescape")).digest()[:8], "big")
    rng = np.random.default_rng([corruption.seed, name])
    worse = label.copy()
    if corruption.border:
        worse = shift_borders(worse, corruption.border, rng)
    if corruption.blobs:
        worse = paint_blobs(worse, corruption.blobs, classes, rng)
    return worse


def shift_borders(label: NDArray[np.uint8], border: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Class ids (H, W), each taken from a place at most ``border`` pixels off along each axis."""
    height, width = label.shape
    cells = (max(2, math.ceil(width / (_CELL * border)) + 1), max(2, math.ceil(height / (_CELL * border)) + 1))
    moved = []
    for side, length in enumerate((height, width)):
        coarse = rng.uniform(-border, border, (cells[1], cells[0])).astype(np.float32)
        fine = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        position = np.arange(length)[:, None] if side == 0 else np.arange(length)
        moved.append(np.clip(position + np.rint(fine.clip(-border, border)).astype(np.int64), 0, length - 1))
    return label[moved[0], moved[1]]


def paint_blobs(label: NDArray[np.uint8], share: float, classes: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Class ids (H, W) with random discs of random classes over this share of what has a class."""
    height, width = label.shape
    painted = label.copy()
    bare = (label != IGNORED_LABEL).ravel()  # of no disc so far
    wanted = round(share * np.count_nonzero(bare))
    rows, columns = np.arange(height)[:, None], np.arange(width)
    while wanted > 0:
        y, x = divmod(int(rng.choice(np.flatnonzero(bare))), width)
        radius = min(rng.uniform(*_RADII) * min(height, width), math.sqrt(wanted / math.pi))
        disc = ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2).ravel()
        fresh = np.flatnonzero(disc & bare)
        if len(fresh) > wanted:  # the last, small ones: a few pixels of the disc, its centre or not
            fresh = fresh[:wanted]
            disc = np.isin(np.arange(disc.size), fresh)
        painted.ravel()[disc & (label != IGNORED_LABEL).ravel()] = rng.integers(classes)
        bare[fresh] = False
        wanted -= len(fresh)
    return painted
