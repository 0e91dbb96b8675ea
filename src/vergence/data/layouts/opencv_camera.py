"""Cameras as calibrations of OpenCV, ROS, Kalibr and EuRoC write them: YAML or XML of matrix, coefficients and size."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured import read_calibration
from vergence.errors import InputError

STEMS = (
    "intrinsics",
    "calibration",
    "camera",
    "camera_info",
    "camera_calibration",
    "out_camera_data",
    "camchain",
    "sensor",
)
SUFFIXES = (".yaml", ".yml", ".xml")
_NAMES = {
    "matrix": ("camera_matrix", "cameramatrix", "k", "intrinsics"),
    "distortion": (
        "distortion_coefficients",
        "distortioncoefficients",
        "dist_coeffs",
        "dist_coeff",
        "distortion_coeffs",
        "d",
    ),
    "width": ("image_width", "width"),
    "height": ("image_height", "height"),
    "fisheye": ("fisheye_model",),
    "model": ("distortion_model", "model"),
}
_REMEDY = "write camera_matrix, distortion_coefficients, image_width and image_height, as OpenCV's calibration does"


def find_calibration(folder: Path) -> Path | None:
    """A calibration of OpenCV or ROS in a folder: called intrinsics, or otherwise with a camera matrix in it."""
    kalibr = sorted(folder.glob("*camchain*.y*ml")) if folder.is_dir() else []
    for path in (*(folder / f"{stem}{suffix}" for stem in STEMS for suffix in SUFFIXES), *kalibr):
        if path.is_file() and (path.stem == "intrinsics" or speaks_of_a_camera(path)):
            return path
    return None


def speaks_of_a_camera(path: Path) -> bool:
    """Whether a YAML or XML file has a key of a camera."""
    with path.open("rb") as file:
        return (
            re.search(rb"camera_?matrix|camera_?model|distortion_?(model|coeff)", file.read(1 << 20), re.I) is not None
        )


def read_camera(path: Path) -> dict[str, Any]:
    """The keys of ``intrinsics.json`` that a calibration of OpenCV's or of ROS's ``camera_info`` means.

    Raises:
        InputError: as of the readers; no 3x3 matrix, no size of the image, or numbers that are none.
    """
    content = _single({str(key).lower(): value for key, value in read_calibration(path, _REMEDY).items()}, path)
    fields = {key: next((content[name] for name in names if name in content), None) for key, names in _NAMES.items()}
    matrix = _numbers(fields["matrix"])
    if isinstance(fields["matrix"], list) and matrix.size in (4, 5):  # Kalibr, EuRoC: fx, fy, cx, cy
        if matrix.size == 5 or str(content.get("camera_model", "pinhole")) != "pinhole":
            raise InputError(
                f"{path}: camera_model {content.get('camera_model')!r} is not supported; calibrate a pinhole."
            )
        fx, fy, cx, cy = matrix.tolist()
        matrix = np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1])
        if isinstance(size := content.get("resolution"), list) and len(size) == 2:
            fields["width"], fields["height"] = size
        fields["model"] = content.get("distortion_model")
    if matrix.size != 9:
        raise InputError(f"{path} has no camera matrix of 3x3 numbers; {_REMEDY}.")
    if not is_pinhole(matrix):
        raise InputError(f"{path}: its camera matrix is not of the form fx 0 cx, 0 fy cy, 0 0 1 (no skew); {_REMEDY}.")
    for key in ("width", "height"):
        if not isinstance(fields[key], int | float):
            raise InputError(f"{path} lacks image_{key}, the size that its camera matrix is for; {_REMEDY}.")
    fx, _, cx, _, fy, cy = matrix[:6].tolist()
    values = {"width": fields["width"], "height": fields["height"], "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    coefficients = _numbers(fields["distortion"]).tolist()
    if any(coefficients):
        values["distortion"] = coefficients
        values["model"] = "fisheye" if fields["fisheye"] else str(fields["model"] or "opencv")
    return values


def _single(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The camera of a Kalibr file, which has one below each of cam0, cam1, ...; InputError where there are several."""
    cameras = [key for key, value in values.items() if re.fullmatch(r"cam\d+", key) and isinstance(value, dict)]
    if len(cameras) > 1:
        raise InputError(f"{path} holds several cameras ({', '.join(cameras)}); keep the one of the images beside it.")
    if not cameras:
        return values
    return {str(key).lower(): value for key, value in values[cameras[0]].items()}


def is_pinhole(matrix: NDArray[np.float64]) -> bool:
    """Whether 9 numbers are the rows fx 0 cx, 0 fy cy, 0 0 1: skew would be lost."""
    skew = matrix[[1, 3, 6, 7]]
    return bool(np.abs(skew).max() <= 1e-6 * max(1.0, abs(float(matrix[0]))) and abs(matrix[8] - 1) <= 1e-6)


def _numbers(value: Any) -> NDArray[np.float64]:
    """A matrix of OpenCV, or ROS's mapping with ``data``; empty where it is neither."""
    if value is None:
        return np.zeros(0)
    try:
        return np.asarray(value.get("data") if isinstance(value, dict) else value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return np.zeros(0)
