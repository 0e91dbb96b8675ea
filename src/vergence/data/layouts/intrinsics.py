"""Pinhole cameras as small files: ``intrinsics.json`` and SC-Depth's ``cam.txt``."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vergence.data.frame_row import FrameRow
from vergence.data.structured import read_json, read_numbers
from vergence.errors import InputError
from vergence.geometry.camera import Camera

REQUIRED = ("width", "height", "fx", "fy", "cx", "cy")
ASPECT_TOLERANCE = 0.02
_MATRIX = "it must hold a 3x3 camera matrix in pixels"


@dataclass(frozen=True)
class Intrinsics:
    """A camera, normalised by image width (fx, cx) and height (fy, cy), and what its file says besides."""

    fx: float = math.nan
    fy: float = math.nan
    cx: float = math.nan
    cy: float = math.nan
    aspect: float = math.nan
    """Width over height of the image that the numbers are for; NaN unknown."""
    baseline: float = math.nan
    """Metres to the right-hand camera."""
    stereo_cx: float = math.nan
    fps: float = math.nan
    source: str = "unknown"

    @property
    def known(self) -> bool:
        return not math.isnan(self.fx)

    def onto(self, row: FrameRow) -> FrameRow:
        """The row with these intrinsics and this frame rate."""
        return dataclasses.replace(row, fx=self.fx, fy=self.fy, cx=self.cx, cy=self.cy, fps=self.fps)

    def check_aspect(self, width: int, height: int, image: Path) -> None:
        """InputError where an image's shape is not the shape that the intrinsics are for."""
        if self.known and abs(width / height / self.aspect - 1) > ASPECT_TOLERANCE:
            raise InputError(
                f"{image} is {width}x{height}, but {self.source} is for images of {self.aspect:.3g}:1; "
                "write the intrinsics for the stored images (width, height, fx, fy, cx, cy in their pixels)."
            )


UNKNOWN = Intrinsics()


def normalised(camera: Camera, source: str, **more: float) -> Intrinsics:
    """Intrinsics of a pixel camera."""
    fx, fy, cx, cy = camera.normalized()
    return Intrinsics(fx, fy, cx, cy, camera.width / camera.height, source=source, **more)


def read_intrinsics(path: Path) -> Intrinsics:
    """Read ``intrinsics.json``: width, height, fx, fy, cx, cy in pixels; optional fps, baseline_m (metres), cx_right.

    Raises:
        InputError: not JSON, keys missing, a value that is no finite number, an impossible camera.
    """
    values = read_json(path, remedy=f"write a JSON object with {_wanted()}")
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object with {_wanted()}.")
    missing = [key for key in REQUIRED if key not in values]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; it needs {_wanted()}, in pixels of the stored images.")
    numbers = {key: _number(values[key], key, path) for key in REQUIRED}
    more = {key: _number(values[key], key, path) if key in values else math.nan for key in ("fps", "baseline_m")}
    right = _number(values["cx_right"], "cx_right", path) if "cx_right" in values else math.nan
    if more["fps"] <= 0 or more["baseline_m"] <= 0:
        raise InputError(f"{path}: fps and baseline_m must be greater than 0; correct or remove them.")
    camera = _camera(numbers, path)
    return normalised(
        camera,
        path.name,
        baseline=more["baseline_m"],
        fps=more["fps"],
        stereo_cx=right / camera.width,
    )


def read_cam_txt(path: Path, width: int, height: int) -> Intrinsics:
    """Read SC-Depth's ``cam.txt``: a 3x3 matrix in pixels of the images beside it, which are width x height."""
    numbers = [float(number) for number in read_numbers(path, None, _MATRIX).reshape(-1)]
    if len(numbers) < 9:
        raise InputError(f"{path} holds {len(numbers)} numbers; {_MATRIX}.")
    keys = {"fx": numbers[0], "fy": numbers[4], "cx": numbers[2], "cy": numbers[5], "width": width, "height": height}
    return normalised(_camera(keys, path), path.name)


def find_intrinsics(*folders: Path) -> Intrinsics:
    """``intrinsics.json`` of the first folder that has one, else unknown."""
    for folder in folders:
        if (folder / "intrinsics.json").is_file():
            return read_intrinsics(folder / "intrinsics.json")
    return UNKNOWN


def _wanted() -> str:
    return ", ".join(REQUIRED)


def _number(value: Any, key: str, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{path}: {key} is {value!r}, expected a finite number; correct the file.")
    return float(value)


def _camera(values: dict[str, float], path: Path) -> Camera:
    if values["width"] < 1 or values["height"] < 1:
        raise InputError(f"{path}: width and height must be at least 1; give the stored images' size.")
    try:
        return Camera(
            fx=values["fx"],
            fy=values["fy"],
            cx=values["cx"],
            cy=values["cy"],
            width=int(values["width"]),
            height=int(values["height"]),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
