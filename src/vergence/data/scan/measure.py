"""Measure the frames and pairs of one sequence."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.scan.frames import FrameLook, look
from vergence.data.scan.motion import BLOCK, LEVELS, Motion, measure_motion, rotation_residual
from vergence.geometry.camera import Camera

CHUNK = 5
"""Consecutive pairs measured at a time in sequences that are too long to measure whole."""
GUESSED_FIELD_OF_VIEW = 60.0


@dataclass(frozen=True)
class Pair:
    """Two frames that follow one another; motions are shares of the width, NaN where nothing could be matched, or
    where more frames than usual are missing between them."""

    index: int
    """Index of the first frame in the sequence."""
    apart: int
    """Difference of their positions."""
    motion: float
    parallax: float
    matched: float
    """Share of the textured blocks that were found again; NaN without texture."""
    gain: float
    """Brightness of the same things in the second frame over the first."""
    difference: float
    """Mean absolute difference of the small pictures in grey levels."""


@dataclass
class Measures:
    """What was measured of one sequence; ``looks`` has no small pictures any more."""

    rows: Sequence[FrameRow]
    pairs: list[Pair] = field(default_factory=list)
    looks: dict[int, FrameLook] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)


def measure_sequence(manifest: Manifest, indices: Sequence[int], max_pairs: int) -> Measures:
    """Measure at most about ``max_pairs`` pairs of the frames at these indices, evenly spread in chunks."""
    measures = Measures([manifest[index] for index in indices])
    usual = _usual_distance(measures.rows)
    previous: tuple[int, FrameLook] | None = None
    for k in chosen_frames(len(indices), max_pairs):
        now = look(manifest.path(indices[k]), manifest[indices[k]])
        if now is None:
            measures.unreadable.append(k)
            previous = None
            continue
        if previous is not None and previous[0] == k - 1:
            measures.pairs.append(_pair(measures.rows, usual, previous, (k, now)))
        measures.looks[k] = now._replace(grey=np.zeros((0, 0), np.float32))
        previous = (k, now)
    return measures


def chosen_frames(count: int, max_pairs: int) -> list[int]:
    """All frames of a short sequence, chunks of consecutive frames of a long one."""
    if count <= max_pairs + 1:
        return list(range(count))
    chunks = max(1, max_pairs // CHUNK)
    starts = np.linspace(0, count - CHUNK - 1, chunks).astype(int)
    return sorted({int(start) + k for start in starts for k in range(CHUNK + 1)})


def _usual_distance(rows: Sequence[FrameRow]) -> int:
    """Most frequent difference of the positions of rows that follow one another; the least of several."""
    distances = Counter(after.position - before.position for before, after in itertools.pairwise(rows))
    return min(distances, key=lambda distance: (-distances[distance], distance), default=1)


def _pair(rows: Sequence[FrameRow], usual: int, first: tuple[int, FrameLook], second: tuple[int, FrameLook]) -> Pair:
    a, b = first[1].grey, second[1].grey
    apart = rows[second[0]].position - rows[first[0]].position
    if apart > usual:
        return Pair(first[0], apart, math.nan, math.nan, math.nan, math.nan, math.nan)
    if a.shape != b.shape or min(a.shape) < BLOCK * 2 ** (LEVELS - 1):
        return Pair(first[0], apart, math.nan, math.nan, math.nan, math.nan, math.inf)
    motion = measure_motion(a, b)
    difference = float(np.abs(a - b).mean())
    matched = len(motion.points) / motion.tried if motion.tried else math.nan
    if len(motion.points) < 6:
        return Pair(first[0], apart, math.nan, math.nan, matched, math.nan, difference)
    width = a.shape[1]
    residual = rotation_residual(motion, *_focal_and_centre(rows[first[0]], a.shape))
    return Pair(
        index=first[0],
        apart=apart,
        motion=float(np.median(np.hypot(motion.vectors[:, 0], motion.vectors[:, 1]))) / width,
        parallax=float(np.median(residual)) / width,
        matched=matched,
        gain=_gain(a, b, motion),
        difference=difference,
    )


def _gain(first: np.ndarray, second: np.ndarray, motion: Motion) -> float:
    """Median ratio of the brightness of 5 x 5 pixels around the matched points."""
    means = []
    for frame, points in ((first, motion.points), (second, motion.points + motion.vectors)):
        x, y = np.clip(np.rint(points).astype(int), 2, np.array(frame.shape[::-1]) - 3).T
        patches = [frame[y + dy, x + dx] for dy in range(-2, 3) for dx in range(-2, 3)]
        means.append(np.mean(patches, axis=0))
    return float(np.median((means[1] + 1) / (means[0] + 1)))


def _focal_and_centre(row: FrameRow, shape: tuple[int, ...]) -> tuple[tuple[float, float], tuple[float, float]]:
    height, width = shape
    if row.intrinsics_known:
        camera = Camera.from_normalized(row.fx, row.fy, row.cx, row.cy, width, height)
    else:
        camera = Camera.from_field_of_view(GUESSED_FIELD_OF_VIEW, width, height)
    return (camera.fx, camera.fy), (camera.cx, camera.cy)
