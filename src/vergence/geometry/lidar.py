"""LiDAR sweeps as sparse depth maps (NumPy)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def project_lidar(
    points: NDArray[np.floating],
    projection: Array,
    rectification: Array,
    rotation: Array,
    translation: Array,
    image_size: tuple[int, int],
    depth: Literal["forward", "camera"] = "forward",
    legacy_duplicates: bool = False,
) -> Array:
    """Project a sweep into a rectified camera; the nearest point wins a pixel.

    Args:
        points: (N, 3) or (N, 4): x forward, y left, z up, metres; a fourth column (reflectance) is not used.
        projection: (3, 4), P_rect of the camera.
        rectification: (3, 3), R_rect of camera 0.
        rotation, translation: (3, 3) and (3,), scanner to camera 0.
        image_size: (H, W) of the depth map.
        depth: store the scanner's forward coordinate (the published Eigen protocol) or the camera's z.
        legacy_duplicates: repeat the published program's duplicate test, in which the last pixel of a row and the
            first of the next one collide: both hit points then count as one pixel's, and their minimum is written at
            the first hit's pixel only.

    Returns:
        (H, W) float64 metres, 0 = no point.

    Source: Eigen et al. (NIPS 2014) as evaluated by Godard et al. (ICCV 2019). Points behind the scanner are dropped,
    pixels are round(u) - 1.

    Example:
        >>> to_camera = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
        >>> pinhole = np.array([[10.0, 0, 4, 0], [0, 10, 3, 0], [0, 0, 1, 0]])
        >>> float(project_lidar(np.array([[5.0, 0, 0]]), pinhole, np.eye(3), to_camera, np.zeros(3), (6, 8)).max())
        5.0
    """
    if points.ndim != 2 or points.shape[1] not in (3, 4):
        raise ValueError(f"points have shape {points.shape}, expected (N, 3) or (N, 4)")
    height, width = image_size
    ahead = points[points[:, 0] >= 0][:, :3].astype(np.float64)
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = rotation, np.asarray(translation).reshape(3)
    rectify = np.eye(4)
    rectify[:3, :3] = rectification
    homogeneous = np.concatenate([ahead, np.ones((len(ahead), 1))], axis=1)
    image = (projection @ rectify @ rigid @ homogeneous.T).T
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = image[:, 0] / image[:, 2], image[:, 1] / image[:, 2]
        column, row = np.round(u) - 1, np.round(v) - 1
    value = ahead[:, 0] if depth == "forward" else image[:, 2]
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    if depth == "camera":
        inside &= value > 0
    column, row, value = column[inside].astype(np.int64), row[inside].astype(np.int64), value[inside]
    if legacy_duplicates:
        return _legacy(row, column, value, height, width)
    result = np.full(height * width, np.inf)
    np.minimum.at(result, row * width + column, value)
    return np.where(np.isinf(result), 0, result).reshape(height, width)


def _legacy(row: NDArray[np.int64], column: NDArray[np.int64], value: Array, height: int, width: int) -> Array:
    """The last point written wins a pixel; colliding keys then get their minimum at the first hit; none is negative."""
    result = np.zeros((height, width))
    result[row, column] = value
    keys = row * (width - 1) + column - 1
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
        hits = order[start : start + count]
        result[row[hits[0]], column[hits[0]]] = value[hits].min()
    result[result < 0] = 0
    return result
