"""From unscaled depth to metres: the factor a run knows, or one found from measured depth or the camera's height."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.known_motion import parse_speed
from vergence.errors import InputError
from vergence.geometry.camera import resize_inverse_depth
from vergence.methods import Method

_LEAST_FLAT = 0.95  # cosine between a ground pixel's normal and "up": about 18 degrees
_LEAST_GROUND = 50
"""Pixels of ground, at least."""
_NEAREST, _ROUNDS = 0.8, 5
"""Share of the points that a plane is fitted to again, and how often it is fitted."""


def known_metres_per_unit(method: Method) -> float:
    """Metres in one unit of the network; InputError where training never saw a length."""
    if method.scale != "metric":
        raise InputError(
            "scale 'metric' is not possible: this run was trained without a stereo baseline, its depth is unscaled; "
            "give a factor, the camera's height above the ground, or frames with measured depth (scale 'truth')."
        )
    return float(method.metres_per_unit)


def truth_ratio(inverse_depth: torch.Tensor, truth: NDArray[np.float32]) -> float:
    """median(truth) / median(prediction) over the pixels with measured depth; NaN where there is none.

    Args:
        inverse_depth: (h, w) in 1 / unit.
        truth: (H, W) metres, 0 = none.
    """
    known = truth > 0
    if not known.any():
        return math.nan
    resized = resize_inverse_depth(inverse_depth, truth.shape)
    return float(np.median(truth[known]) / np.median(1 / resized.cpu().numpy()[known]))


def ground_height(depth: NDArray[np.floating], camera: tuple[float, float, float, float]) -> float:
    """Height of the camera above the ground in the unit of ``depth``; NaN where no level ground is seen.

    Ground is what of the lower 40 % and middle 60 % of the picture has a normal that points up, by neighbouring points
    (Xue et al., "Toward Hierarchical Self-Supervised Monocular Absolute Depth Estimation", IROS 2020, section III-C).
    The height is the distance of one plane through it, of least squares over the 80 % of points that are nearest to it,
    and so on again. Each point's distance along its own normal, of which that paper takes the median, is too small
    where depth is rough: five per cent, over five pixels, make it a sixth smaller.

    Args:
        depth: (H, W).
        camera: fx, fy, cx, cy normalised by width and height.
    """
    height, width = depth.shape
    fx, fy, cx, cy = camera[0] * width, camera[1] * height, camera[2] * width, camera[3] * height
    top, left, right = int(0.6 * height), int(0.2 * width), int(0.8 * width)
    v, u = np.mgrid[top:height, left:right]
    z = depth[top:, left:right].astype(np.float64)
    points = np.stack(((u - cx) / fx * z, (v - cy) / fy * z, z), axis=-1)
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=-1)
    ground = points[1:-1, 1:-1][(np.abs(normal[..., 1]) > _LEAST_FLAT * length) & (length > 0)]
    if len(ground) < _LEAST_GROUND:
        return math.nan
    for _ in range(_ROUNDS):
        terms = np.stack((ground[:, 0], ground[:, 2], np.ones(len(ground))), axis=1)
        plane = np.linalg.lstsq(terms, ground[:, 1], rcond=None)[0]
        apart = np.abs(ground[:, 1] - terms @ plane)
        ground = ground[apart <= np.quantile(apart, _NEAREST)]
    return float(abs(plane[2]) / math.hypot(1.0, plane[0], plane[1]))


@dataclass(frozen=True)
class Asked:
    """What of depth's scale is asked for; nothing: metres where the run knows them, else unscaled.

    Raises:
        InputError: more than one way to the factor, or one that is impossible.
    """

    scale: float | str | None = None
    """"metric", a factor on the network's unit, "truth" or "poses" (of the frames)."""
    camera_height: float | None = None
    """Metres above level ground."""
    speed: float | str | None = None
    """Metres per second, or as "50km/h"."""
    poses: Path | str | None = None
    """File of the camera's motion, see :func:`vergence.data.known_motion.read_motion`."""
    poses_from: float | None = None
    """Time in that file at which the first frame was taken, seconds."""

    def __post_init__(self) -> None:
        given = {"scale": self.scale, "camera_height": self.camera_height, "speed": self.speed, "poses": self.poses}
        names = sorted(name for name, value in given.items() if value is not None)
        if len(names) > 1:
            raise InputError(f"{' and '.join(names)} are {len(names)} ways to one factor; give one of them.")
        if self.camera_height is not None and not (math.isfinite(self.camera_height) and self.camera_height > 0):
            raise InputError(f"camera_height {self.camera_height} is impossible; give metres above the ground.")
        if self.speed is not None:
            parse_speed(self.speed)
        if self.poses_from is not None and (self.poses is None or not math.isfinite(self.poses_from)):
            raise InputError("poses_from is a time in a file of poses, in seconds; give poses too, or leave it out.")

    @property
    def each_time(self) -> bool:
        """Whether the factor is from more than the pictures, so that it is found again in each call."""
        return self.scale in ("truth", "poses") or self.speed is not None or self.poses is not None

    def made_by(self) -> dict[str, Any]:
        """What of it results depend on."""
        more = {"speed": self.speed, "poses_from": self.poses_from}
        more["poses"] = None if self.poses is None else Path(self.poses).name
        given = {name: value for name, value in more.items() if value is not None}
        return {"scale_asked": self.scale, "camera_height": self.camera_height, **given}


def one_factor(ratios: Iterable[float], evidence: str, each: str = "frame") -> tuple[float, str]:
    """The median of the factors, one for all frames so that a video does not flicker, and its interval in words.

    The standard error of the median is that of 1,000 samples drawn with replacement, times what it grows by where
    neighbours are alike (:func:`alike`).

    Args:
        ratios: factors in their order in time, one each ``each``; what is not finite or not positive is no factor.
        evidence: what was looked for.

    Raises:
        InputError: there is no factor.
    """
    valid: Sequence[float] = [ratio for ratio in ratios if math.isfinite(ratio) and ratio > 0]
    if not valid:
        raise InputError(f"no {each} shows {evidence}, so depth cannot be scaled by it; give a factor instead.")
    median = float(np.median(valid))
    if len(valid) == 1:
        return median, f"{evidence}, 1 {each}, which has no spread to state"
    spread = float(np.std(np.array(valid) / median))
    low, high = np.percentile(valid, (5, 95))
    drawn = np.random.default_rng(0).choice(np.array(valid), (1000, len(valid)))
    error = float(np.std(np.median(drawn, axis=1))) / median * alike(np.array(valid))
    return median, (
        f"{evidence}, median of {len(valid)} {each}s, spread {spread:.1%}, 90 % of them {low:.4g} to {high:.4g}, "
        f"standard error {error:.1%}"
    )


def alike(values: NDArray[np.floating]) -> float:
    """By what the standard error of a mean or median grows where values follow each other, against independent ones.

    Frames of a video see the same street, so their errors are alike and many frames tell less than their number says.
    With the correlation r of neighbours it is the square root of (1 + r) / (1 - r); r of few values is too small by
    (1 + 3 r) / N, which is put right (Marriott and Pope, "Bias in the estimation of autocorrelations", 1954).

    Args:
        values: (N,) in their order in time.

    Returns:
        At least 1; 1 for fewer than five values, which say nothing of it.
    """
    count, apart = len(values), values - values.mean()
    squares = float((apart * apart).sum())
    if count < 5 or squares <= 0:
        return 1.0
    seen = float((apart[1:] * apart[:-1]).sum()) / squares
    r = min((seen + 1 / count) / (1 - 3 / count), 1 - 2 / count)
    return math.sqrt((1 + r) / (1 - r)) if r > 0 else 1.0
