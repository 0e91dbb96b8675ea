"""What a caller chooses about the town, and what one rendered frame holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vergence.errors import InputError

STYLES = ("clear", "dusk")
FIELD_OF_VIEW = 75.0  # degrees, horizontal
FAR = 250.0  # metres; depth further away is stored as 0
MAX_FRAMES = 200  # frames of one drive, or of a wait in it


@dataclass(frozen=True)
class TownOptions:
    """Everything that decides the pixels of a town.

    seed: another seed is another town. style: "clear" or "dusk" (fog, other textures, palette and light over the same
    geometry). width, height: pixels. fps: frames per second. baseline: metres to the right-hand camera. stereo: whether
    the right-hand camera is rendered. halts: seconds for which the car waits, say at a light, by street number; their
    frames come on top of those of the drive.

    Raises InputError for an unknown style, a size, rate or baseline that is not positive, or a negative wait.
    """

    seed: int = 0
    style: str = "clear"
    width: int = 192
    height: int = 96
    fps: float = 10.0
    baseline: float = 0.5
    stereo: bool = True
    halts: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise InputError(f"toy town style {self.style!r} is unknown; use one of {', '.join(STYLES)}.")
        if self.width < 16 or self.height < 16:
            raise InputError(f"toy town size {self.width}x{self.height} is too small; use at least 16x16 pixels.")
        if not (self.fps > 0 and self.baseline > 0) or self.seed < 0:
            raise InputError("toy town needs fps > 0, baseline > 0 and seed >= 0; change the one that is not.")
        for street, seconds in self.halts.items():
            if not 0 <= seconds * self.fps <= MAX_FRAMES:
                raise InputError(
                    f"toy town street {street} waits for {seconds} seconds; give from 0 to {MAX_FRAMES / self.fps:g}."
                )

    def waited(self, street: int) -> int:
        """Frames of a street in which the car waits."""
        return round(self.halts.get(street, 0.0) * self.fps)


class TownFrame(NamedTuple):
    """One instant of a drive.

    image (H,W,3) uint8; right (H,W,3) uint8 from `baseline` metres to the right, or None; depth (H,W) float32 z-depth
    in metres at the pixel centre, 0 = sky or beyond 250 m; label (H,W) uint8 Cityscapes train ids; pose (4,4) float64
    camera-to-world, metres, OpenCV axes (x right, y down, z forward; the world has z up); moving (H,W) bool.
    """

    image: np.ndarray
    right: np.ndarray | None
    depth: np.ndarray
    label: np.ndarray
    pose: np.ndarray
    moving: np.ndarray


def camera(options: TownOptions) -> tuple[float, float, float, float]:
    """Intrinsics normalised by image size: (fx / width, fy / height, cx / width, cy / height); square pixels."""
    focal = 0.5 * options.width / math.tan(math.radians(FIELD_OF_VIEW) / 2)
    centre_x = 0.5 * (options.width - 1)
    centre_y = 0.47 * (options.height - 1)
    return focal / options.width, focal / options.height, centre_x / options.width, centre_y / options.height
