"""Velodyne sweeps of KITTI raw as sparse depth files, written once."""

from pathlib import Path
from typing import Literal, cast

import numpy as np

from vergence.data.images import write_sparse_depth
from vergence.data.layouts.kitti_calibration import matrix, read_matrices
from vergence.errors import InputError
from vergence.geometry.lidar import project_lidar


def write_velodyne_depth(sweep: Path, day: Path, camera: int, size: tuple[int, int], form: str, out: Path) -> Path:
    """Project a sweep (float32 x, y, z, reflectance) into a rectified camera and write it as sparse metres.

    Args:
        sweep: ``velodyne_points/data/NNNNNNNNNN.bin``.
        day: folder with ``calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt``.
        camera: number of the rectified camera.
        size: (width, height) of its images.
        form: "forward" (the scanner's forward axis, the published protocol) or "camera" (z of the camera).
        out: the ``.npz`` file.

    Raises:
        InputError: a file is missing, cut off or lacks a matrix.
    """
    if form not in ("forward", "camera"):
        raise InputError(f"kitti_raw: velodyne_depth is {form!r}; use forward or camera.")
    points = np.fromfile(sweep, dtype=np.float32)
    if points.size == 0 or points.size % 4:
        raise InputError(f"{sweep} is cut off ({points.size * 4} bytes); unpack it again.")
    cameras, scanner = day / "calib_cam_to_cam.txt", day / "calib_velo_to_cam.txt"
    camera_values, scanner_values = read_matrices(cameras), read_matrices(scanner)
    depth = project_lidar(
        points.reshape(-1, 4),
        matrix(camera_values, f"P_rect_{camera:02d}", (3, 4), cameras),
        matrix(camera_values, "R_rect_00", (3, 3), cameras),
        matrix(scanner_values, "R", (3, 3), scanner),
        matrix(scanner_values, "T", (3,), scanner),
        size[::-1],
        depth=cast(Literal["forward", "camera"], form),
    )
    return write_sparse_depth(out, depth)
