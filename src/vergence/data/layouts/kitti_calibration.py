"""KITTI's calibration files, and the constants that everybody uses instead of them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.layouts.intrinsics import Intrinsics, normalised
from vergence.data.structured import read_keyed_numbers
from vergence.errors import InputError
from vergence.geometry.camera import Camera

PUBLISHED = Intrinsics(0.58, 1.92, 0.5, 0.5, origin="the published constant")
"""Normalised intrinsics of Monodepth2 and its kin: an average over KITTI's drives (semhint.md §1.6)."""
PUBLISHED_BASELINE = 0.54
"""Metres between the colour cameras behind the published factor 5.4 (semhint.md §1.7)."""


@dataclass(frozen=True)
class RectifiedCameras:
    """Projection matrices (3, 4) of the rectified cameras by number, and the image size (width, height)."""

    projections: dict[int, NDArray[np.float64]]
    size: tuple[int, int]
    origin: str

    def intrinsics(self, number: int, partner: int) -> Intrinsics:
        """Camera ``number``; its baseline is the x of camera ``partner`` in its frame, metres."""
        return rectified_pair(self.projections[number], self.projections[partner], self.size, self.origin)

    def centre(self, number: int) -> NDArray[np.float64]:
        """Centre (3,) of a camera in the frame of camera 0, metres: -K^-1 P[:, 3]."""
        projection = self.projections[number]
        return np.asarray(-np.linalg.solve(projection[:, :3], projection[:, 3]), dtype=np.float64)


def rectified_pair(
    own: NDArray[np.float64], partner: NDArray[np.float64], size: tuple[int, int], origin: str
) -> Intrinsics:
    """Intrinsics and baseline of a camera and its stereo partner from their projections (3, 4), pixels of ``size``."""
    fx, fy, cx, cy = (float(value) for value in (own[0, 0], own[1, 1], own[0, 2], own[1, 2]))
    baseline = camera_x(partner) - camera_x(own)
    stereo_cx = float(partner[0, 2]) / size[0]
    return normalised(Camera(fx, fy, cx, cy, *size), origin, baseline=baseline, stereo_cx=stereo_cx)


def camera_x(projection: NDArray[np.float64]) -> float:
    """x of a rectified camera's centre in the frame of camera 0, metres: -P[0, 3] / fx."""
    return float(-projection[0, 3] / projection[0, 0])


def read_matrices(path: Path) -> dict[str, NDArray[np.float64]]:
    """The number lines of a KITTI calibration file (``KEY: numbers``); InputError where it cannot be read."""
    return read_keyed_numbers(path, "unpack the calibration of this day, or use intrinsics='published'")


def read_raw_calibration(folder: Path, size: tuple[int, int]) -> RectifiedCameras:
    """``calib_cam_to_cam.txt`` of one recording day; ``size`` where the file does not give the rectified one."""
    path = folder / "calib_cam_to_cam.txt"
    matrices = read_matrices(path)
    projections = {n: matrix(matrices, f"P_rect_{n:02d}", (3, 4), path) for n in range(4)}
    stated = matrix(matrices, "S_rect_02", (2,), path) if "S_rect_02" in matrices else np.array(size)
    return RectifiedCameras(projections, (int(stated[0]), int(stated[1])), str(path))


def read_odometry_calibration(path: Path, size: tuple[int, int]) -> RectifiedCameras:
    """``calib.txt`` of one odometry sequence (P0 to P3), for images of ``size``."""
    matrices = read_matrices(path)
    return RectifiedCameras({n: matrix(matrices, f"P{n}", (3, 4), path) for n in range(4)}, size, str(path))


def matrix(
    matrices: dict[str, NDArray[np.float64]], key: str, shape: tuple[int, ...], path: Path
) -> NDArray[np.float64]:
    """One entry in its shape; InputError where it is missing, of another length or not finite."""
    values = matrices.get(key)
    if values is None or values.size != np.prod(shape) or not np.isfinite(values).all():
        raise InputError(f"{path} has no valid {key} ({int(np.prod(shape))} numbers); unpack the calibration again.")
    return values.reshape(shape)


def published(baseline: float) -> Intrinsics:
    """The published constant with a baseline in metres (its sign says where the partner is)."""
    return replace(PUBLISHED, baseline=baseline)
