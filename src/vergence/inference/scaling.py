"""From unscaled depth to metres: the factor a run knows, or one found from measured depth or the camera's height."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.errors import InputError
from vergence.geometry.camera import resize_inverse_depth
from vergence.methods import Method

_LEAST_FLAT = 0.95  # cosine between a ground pixel's normal and "up": about 18 degrees


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

    Normals of the surface come from neighbouring points in the lower 40 % and middle 60 % of the picture; where they
    point up, the point's distance along the normal is a vote, and the median of the votes is the height
    (Xue et al., "Toward Hierarchical Self-Supervised Monocular Absolute Depth Estimation", IROS 2020, section III-C).

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
    normal /= np.maximum(length, 1e-12)[..., None]
    distance = np.abs(np.sum(normal * points[1:-1, 1:-1], axis=-1))
    flat = (np.abs(normal[..., 1]) > _LEAST_FLAT) & (length > 0)
    return float(np.median(distance[flat])) if flat.sum() >= 50 else math.nan


def one_factor(ratios: Iterable[float], what: str) -> tuple[float, str]:
    """The median of the frames' factors, one for all frames so that a video does not flicker, and its spread in words.

    InputError where no frame gave a factor; ``what`` says what was looked for.
    """
    valid: Sequence[float] = [ratio for ratio in ratios if math.isfinite(ratio) and ratio > 0]
    if not valid:
        raise InputError(f"no frame shows {what}, so depth cannot be scaled by it; give a factor instead.")
    median = float(np.median(valid))
    if len(valid) == 1:
        return median, f"{what}, 1 frame, which has no spread to state"
    spread = float(np.std(np.array(valid) / median))
    low, high = np.percentile(valid, (5, 95))
    return median, f"{what}, median of {len(valid)} frames, spread {spread:.1%}, 90 % of them {low:.4g} to {high:.4g}"
