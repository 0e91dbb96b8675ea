"""Cameras as small files: ``intrinsics.json``, OpenCV's and ROS's calibrations, SC-Depth's ``cam.txt``."""

import dataclasses
import functools
import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vergence.data.layouts.files import list_files
from vergence.data.layouts.opencv_camera import find_calibration, is_pinhole, read_camera
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_json, read_numbers
from vergence.errors import InputError, nearest
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import COEFFICIENTS, Lens, lens_text, straight_camera

REQUIRED = ("width", "height", "fx", "fy", "cx", "cy")
KEYS = (*REQUIRED, "fps", "baseline_m", "cx_right", "distortion", "model")
REMARKS = frozenset(
    {
        *("frames", "colour", "source", "original", "convention", "status", "how", "note", "comment", "description"),
        *("fps_source", "first_source_frame", "first_frame_time_s", "distortion_removed", "name", "date"),
        *("depth_from_disparity", "lidar_depth"),
    }
)
"""Keys for people: nothing is computed from them."""
_ELSEWHERE = {
    "'distortion'": {"k1", "k2", "k3", "k4", "p1", "p2", "d", "dist", "distcoeffs", "distcoeff",
                     "distortioncoefficients", "distortioncoeffs"},
    "'fx', 'fy', 'cx', 'cy'": {"k", "cameramatrix", "intrinsics", "intrinsicmatrix", "matrix"},
    "'model'": {"distortionmodel", "cameramodel"},
    "'fx'": {"f", "focal", "focallength", "flx"},
    "'fy'": {"fly"},
    "'cx'": {"ppx"},
    "'cy'": {"ppy"},
    "'width'": {"w", "imagewidth", "cols"},
    "'height'": {"h", "imageheight", "rows"},
    "'baseline_m'": {"b", "stereobaseline"},
}  # fmt: skip
"""What other programs call the keys, in small letters."""
_MODELS = {
    **dict.fromkeys(("opencv", "plumb_bob", "radtan", "radial-tangential", "pinhole"), "opencv"),
    **dict.fromkeys(("fisheye", "equidistant", "opencv_fisheye"), "fisheye"),
}
"""Names of the lens models, also those of ROS and Kalibr."""
_CALIBRATION = re.compile(r".*(calib|camera|intrinsic|camchain|cam_param|camparam).*|k|cams?|transforms", re.IGNORECASE)
ASPECT_TOLERANCE = 0.02
_CENTRE = (0.2, 0.8)
"""Shares of an image's side between which principal points lie, but those of crops."""
_STRETCHED = 1.2
"""Width over height, or height over width, of a pixel from which focal lengths are looked upon as a slip."""
_MATRIX = "it must hold a 3x3 camera matrix in pixels"
_log = logging.getLogger("vergence")


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
    lens: str = ""
    """Column of the manifest; fx, fy, cx, cy are then those of the straightened frames."""
    origin: str = "unknown"

    @property
    def known(self) -> bool:
        return not math.isnan(self.fx)

    def onto(self, row: FrameRow) -> FrameRow:
        """The row with these intrinsics and this frame rate."""
        return dataclasses.replace(row, fx=self.fx, fy=self.fy, cx=self.cx, cy=self.cy, fps=self.fps, lens=self.lens)

    def check_aspect(self, width: int, height: int, image: Path) -> None:
        """InputError where an image's shape is not the shape that the intrinsics are for."""
        if self.known and abs(width / height / self.aspect - 1) > ASPECT_TOLERANCE:
            raise InputError(
                f"{image} is {width}x{height}, but {self.origin} is for images of {self.aspect:.3g}:1; "
                "write the intrinsics for the stored images (width, height, fx, fy, cx, cy in their pixels)."
            )


UNKNOWN = Intrinsics()


def normalised(camera: Camera, origin: str, lens: Lens | None = None, **more: float) -> Intrinsics:
    """Intrinsics of a pixel camera; with a lens that bends, those of the frames that are straightened.

    InputError where the lens leaves nothing of the picture.
    """
    text, straight = "", camera
    if lens is not None and lens.bends:
        try:
            text, straight = lens_text(lens, camera), straight_camera(lens, camera)
        except InputError as error:
            raise InputError(f"{origin}: {error}") from error
        change = f"fx {camera.fx:.1f} -> {straight.fx:.1f} pixels"
        _log.info("%s: distortion (%s) is undone when frames are read, %s", origin, lens.model, change)
    fx, fy, cx, cy = straight.normalized()
    return Intrinsics(fx, fy, cx, cy, camera.width / camera.height, lens=text, origin=origin, **more)


def read_intrinsics(path: Path) -> Intrinsics:
    """Read ``intrinsics.json`` or a calibration of OpenCV or ROS (YAML, XML).

    The former has width, height, fx, fy, cx, cy in pixels; optional fps, baseline_m (metres), cx_right, and
    ``distortion`` with ``model``: "opencv" (k1, k2, p1, p2, k3; the default) or "fisheye" (k1 to k4).

    Raises:
        InputError: not JSON, keys missing or unknown, a value that is no finite number, an impossible camera or lens.
    """
    values = (
        read_json(path, remedy=f"write a JSON object with {_wanted()}")
        if path.suffix.lower() == ".json"
        else read_camera(path)
    )
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold a JSON object with {_wanted()}.")
    for key in values:
        if key not in KEYS and key not in REMARKS and not key.startswith("_"):
            raise InputError(
                f"{path} has an unknown key {key!r}{_meant(key)}; the keys are {', '.join(KEYS)}, and "
                f"{', '.join(sorted(REMARKS))} or a name that starts with _ for remarks."
            )
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
        _lens(values, path),
        baseline=more["baseline_m"],
        fps=more["fps"],
        stereo_cx=right / camera.width,
    )


def _meant(key: str) -> str:
    """ " (did you mean 'distortion'?)" where other programs call a key so, or its name is near."""
    plain = key.lower().replace("_", "").replace("-", "")
    known = next((name for name, others in _ELSEWHERE.items() if plain in others), None)
    return f" (did you mean {known}?)" if known else nearest(key.lower(), KEYS)


def _lens(values: dict[str, Any], path: Path) -> Lens | None:
    """The lens of a file, or None for a pinhole."""
    if "distortion" not in values:
        if "model" in values:
            raise InputError(
                f"{path} has a model and no distortion; add its coefficients (OpenCV: k1, k2, p1, p2, k3; fisheye: k1, "
                "k2, k3, k4), or take model out where the images are undistorted."
            )
        return None
    model = _MODELS.get(str(values.get("model", "opencv")).lower())
    if model is None:
        known = list(_MODELS)
        raise InputError(
            f"{path}: model {values['model']!r} is unknown{nearest(str(values['model']), known)}; use one of "
            f"{', '.join(known)}."
        )
    coefficients = values["distortion"]
    if isinstance(coefficients, dict):
        names = COEFFICIENTS[model]
        for key in coefficients:
            if key not in names:
                raise InputError(f"{path}: distortion of model {model} has no {key!r}; it has {', '.join(names)}.")
        coefficients = [coefficients.get(name, 0.0) for name in names]
    if not isinstance(coefficients, list):
        raise InputError(f"{path}: distortion is {coefficients!r}, expected a list of coefficients; correct the file.")
    if model == "opencv" and len(coefficients) == 3:
        raise InputError(
            f"{path}: distortion has 3 coefficients, which may be k1, k2, k3 or k1, k2, p1; write all of "
            f"{', '.join(COEFFICIENTS[model])}, or a JSON object with their names."
        )
    try:
        return Lens(model, tuple(_number(value, "distortion", path) for value in coefficients))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error


def read_cam_txt(path: Path, width: int, height: int) -> Intrinsics:
    """Read SC-Depth's ``cam.txt``: a 3x3 matrix in pixels of the images beside it, which are width x height."""
    matrix = read_numbers(path, None, _MATRIX).reshape(-1)
    if matrix.size != 9 or not is_pinhole(matrix):
        raise InputError(f"{path} holds {matrix.size} numbers that are not fx 0 cx, 0 fy cy, 0 0 1; {_MATRIX}.")
    numbers = [float(number) for number in matrix]
    keys = {"fx": numbers[0], "fy": numbers[4], "cx": numbers[2], "cy": numbers[5], "width": width, "height": height}
    return normalised(_camera(keys, path), path.name)


def intrinsics_file(folder: Path) -> Path | None:
    """``intrinsics.json`` of a folder, else a calibration of OpenCV or ROS in it, else None."""
    path = folder / "intrinsics.json"
    return path if path.is_file() else find_calibration(folder)


@functools.lru_cache(maxsize=256)
def _say_unread_camera(path: Path) -> None:
    _log.warning("%s looks like a calibration and is not read; write its camera into intrinsics.json beside it", path)


def say_unread_cameras(*folders: Path) -> None:
    """A line for each file whose name says that it is a calibration, once; for folders whose camera is unknown."""
    for folder in dict.fromkeys(folders):
        for name in list_files(folder, frozenset({".txt", ".json", ".yaml", ".yml", ".xml", ".npz", ".npy", ".pkl"})):
            if _CALIBRATION.fullmatch(name.rpartition(".")[0]):
                _say_unread_camera(folder / name)


def find_intrinsics(*folders: Path) -> Intrinsics:
    """The camera of the first folder that has an :func:`intrinsics_file`, else unknown."""
    path = next((file for folder in folders if (file := intrinsics_file(folder)) is not None), None)
    return UNKNOWN if path is None else read_intrinsics(path)


def _wanted() -> str:
    return ", ".join(REQUIRED)


def _number(value: Any, key: str, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{path}: {key} is {value!r}, expected a finite number; correct the file.")
    return float(value)


def _camera(values: dict[str, float], path: Path) -> Camera:
    if values["width"] < 1 or values["height"] < 1:
        raise InputError(f"{path}: width and height must be at least 1; give the stored images' size.")
    across, down = values["cx"] / values["width"], values["cy"] / values["height"]
    if not (_CENTRE[0] < across < _CENTRE[1] and _CENTRE[0] < down < _CENTRE[1]):
        _log.warning(
            "%s: the principal point (%g, %g) lies far from the centre of images of %dx%d; check that its numbers are "
            "for images of this size",
            *(path, values["cx"], values["cy"], values["width"], values["height"]),
        )
    ratio = values["fx"] / values["fy"] if values["fy"] else 1.0
    if ratio > 0 and not 1 / _STRETCHED < ratio < _STRETCHED:
        _log.warning(
            "%s: fx %g and fy %g are of pixels %.2f times as wide as high; nearly all cameras have square ones: check "
            "that both are in pixels of the stored images",
            *(path, values["fx"], values["fy"], values["fy"] / values["fx"]),
        )
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
