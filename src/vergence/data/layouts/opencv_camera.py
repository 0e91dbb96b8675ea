"""Cameras as OpenCV's calibration and ROS write them: YAML or XML with matrix, coefficients and size of the image."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured import read_calibration
from vergence.errors import InputError

STEMS = ("intrinsics", "calibration", "camera", "camera_info", "camera_calibration", "out_camera_data")
SUFFIXES = (".yaml", ".yml", ".xml")
_NAMES = {
    "matrix": ("camera_matrix", "cameramatrix", "k"),
    "distortion": ("distortion_coefficients", "distortioncoefficients", "dist_coeffs", "dist_coeff", "d"),
    "width": ("image_width", "width"),
    "height": ("image_height", "height"),
    "fisheye": ("fisheye_model",),
    "model": ("distortion_model", "model"),
}
_REMEDY = "write camera_matrix, distortion_coefficients, image_width and image_height, as OpenCV's calibration does"


def find_calibration(folder: Path) -> Path | None:
    """A calibration of OpenCV or ROS in a folder: called intrinsics, or otherwise with a camera matrix in it."""
    for path in (folder / f"{stem}{suffix}" for stem in STEMS for suffix in SUFFIXES):
        if path.is_file() and (path.stem == "intrinsics" or _speaks_of_a_camera(path)):
            return path
    return None


def _speaks_of_a_camera(path: Path) -> bool:
    with path.open("rb") as file:
        return re.search(rb"camera_?matrix", file.read(1 << 20), re.IGNORECASE) is not None


def read_camera(path: Path) -> dict[str, Any]:
    """The keys of ``intrinsics.json`` that a calibration of OpenCV's or of ROS's ``camera_info`` means.

    Raises:
        InputError: as of the readers; no 3x3 matrix, no size of the image, or numbers that are none.
    """
    given = {key.lower(): value for key, value in read_calibration(path, _REMEDY).items()}
    found = {key: next((given[name] for name in names if name in given), None) for key, names in _NAMES.items()}
    matrix = _numbers(found["matrix"])
    if matrix.size != 9:
        raise InputError(f"{path} has no camera matrix of 3x3 numbers; {_REMEDY}.")
    for key in ("width", "height"):
        if not isinstance(found[key], int | float):
            raise InputError(f"{path} lacks image_{key}, the size that its camera matrix is for; {_REMEDY}.")
    fx, _, cx, _, fy, cy = matrix[:6].tolist()
    values = {"width": found["width"], "height": found["height"], "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    coefficients = _numbers(found["distortion"]).tolist()
    if any(coefficients):
        values["distortion"] = coefficients
        values["model"] = "fisheye" if found["fisheye"] else str(found["model"] or "opencv")
    return values


def _numbers(value: Any) -> NDArray[np.float64]:
    """A matrix of OpenCV, or ROS's mapping with ``data``; empty where it is neither."""
    try:
        return np.asarray(value.get("data") if isinstance(value, dict) else value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return np.zeros(0)
