"""Whether the rows of a table make sense: columns say which rows may be wrong, and these are looked at."""

import math
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vergence.data.rows.arrow_arrays import (
    arrow_flags,
    arrow_numbers,
    arrow_word,
    arrow_words,
    may_hold,
    numpy_flags,
    numpy_numbers,
)
from vergence.data.rows.columns import Values
from vergence.data.rows.frame_row import DEPTH_UNITS, LABEL_ORIGINS, PATH_COLUMNS, FrameRow
from vergence.data.rows.frame_table import FrameTable
from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import parse_lens

_CAMERA = ("fx", "fy", "cx", "cy", "stereo_cx", "baseline", "lens")
_NUMBERS = 12
"""In a pose."""
_LARGEST = 1_000_000
"""Pixels of a side."""


def check_rows(table: FrameTable, name: str) -> None:
    """InputError, which names the manifest and the frame, for the first row that makes no sense."""
    for index in np.flatnonzero(_doubtful(table)):
        _check_row(table.row(int(index)), name)


def _doubtful(table: FrameTable) -> NDArray[np.bool_]:
    """Rows that may be wrong: all that are, and a few that are not."""
    doubtful = table.column("image").each(_no_file)
    for column in PATH_COLUMNS:
        if column in table.columns:
            doubtful = doubtful | table.columns[column].each(_has_zero)
    if "pose" in table.columns:
        doubtful = doubtful | table.columns["pose"].each(_no_pose)
    for column, known in (("label_origin", LABEL_ORIGINS), ("depth_unit", tuple(DEPTH_UNITS))):
        if column in table.columns:
            words = arrow_words([word.encode() for word in known])
            doubtful = doubtful | table.columns[column].each(partial(_is_other, words=words))
    for column in ("depth_scale", "fps", "width", "height"):
        if column in table.columns:
            doubtful = doubtful | table.columns[column].each(_no_amount)
    doubtful = doubtful | (table.given("width") != table.given("height"))
    if "depth_scale" in table.columns:
        doubtful = doubtful | (table.given("depth_scale") & table.given("depth_unit"))
    if "lens" in table.columns:
        doubtful = doubtful | (table.given("lens") & (table.given("stereo") | table.given("disparity")))
    doubtful[_first_of_each_camera(table)] = True
    return doubtful


def _first_of_each_camera(table: FrameTable) -> NDArray[np.int64]:
    """The first row of each set of values of ``_CAMERA``."""
    codes = np.zeros(len(table), np.int64)
    for name in _CAMERA:
        if name in table.columns:
            more, words = table.columns[name].factorised()
            if len(words) < 2:
                continue
            sets = arrow_numbers(codes * len(words) + more).dictionary_encode()
            codes = numpy_numbers(sets.indices).astype(np.int64)
    return np.unique(codes, return_index=True)[1]


def _is_other(values: Values, words: pa.Array) -> NDArray[np.bool_]:
    return ~numpy_flags(pc.is_in(values, words))


def _no_file(values: Values) -> NDArray[np.bool_]:
    no_name = (pc.equal(values, arrow_word(b"")), pc.ends_with(values, b"/"), pc.ends_with(values, b"."))
    return np.logical_or.reduce([numpy_flags(flags) for flags in no_name])


def _has_zero(values: Values) -> NDArray[np.bool_]:
    if not may_hold(values, b"\0"):
        return np.zeros(len(values), np.bool_)
    return numpy_flags(pc.match_substring(values, b"\0"))


def _no_amount(values: Values) -> NDArray[np.bool_]:
    """Numbers that no amount is, or no size of a picture."""
    numbers = np.asarray(values)
    return (numbers < 0) | (numbers > _LARGEST) | ((numbers == 0) & (numbers.dtype == np.float64))


def _no_pose(values: Values) -> NDArray[np.bool_]:
    """All where a single one has other words than plain numbers: then each is looked at."""
    words = pc.split_pattern(values.cast(pa.large_binary()), b" ")
    counts = np.diff(numpy_numbers(words.offsets))
    given = numpy_flags(pc.not_equal(values, arrow_word(b"")))
    try:
        texts = words.filter(arrow_flags(given)).flatten().cast(pa.large_string())
        numbers = numpy_numbers(texts.cast(pa.float64()))
    except pa.ArrowException:
        return given
    if not np.isfinite(numbers).all():
        return given
    return given & (counts != _NUMBERS)


def _check_row(row: FrameRow, name: str) -> None:
    where = f"{name}, frame {row.image!r}"
    if not row.image:
        file = row.label or row.depth or row.disparity or "its row"
        raise InputError(f"{name}: {file} has no image; name the image of each frame in the column 'image'.")
    if any("\0" in getattr(row, column) for column in PATH_COLUMNS):
        raise InputError(f"{where}: a path has a zero byte, which no name of a file may have; correct the manifest.")
    if row.image.rstrip("/").rpartition("/")[2] in ("", ".", ".."):
        raise InputError(f"{where}: its image is no file; name the image of each frame in the column 'image'.")
    if row.pose and not _is_pose(row.pose):
        raise InputError(f"{where}: pose must be 12 finite numbers (row-major 3x4, camera to world) or empty.")
    if row.label_origin not in LABEL_ORIGINS:
        raise InputError(f"{where}: label_origin is {row.label_origin!r}; use 'carried', or leave it empty.")
    if row.depth_unit not in DEPTH_UNITS:
        raise InputError(
            f"{where}: depth_unit is {row.depth_unit!r}; use {', '.join(filter(None, DEPTH_UNITS))}, or leave it empty."
        )
    if not math.isnan(row.depth_scale) and not (0 < row.depth_scale < math.inf and not row.depth_unit):
        raise InputError(
            f"{where}: depth_scale is {row.depth_scale:g} and depth_unit {row.depth_unit or 'empty'}; give one of "
            "them, and as depth_scale a number above 0 (value / depth_scale = metres)."
        )
    if row.fps < 0 or math.isinf(row.fps):
        raise InputError(f"{where}: fps is {row.fps:g}; give frames a second, 0 or nothing where unknown.")
    if max(row.width, row.height) > _LARGEST:
        raise InputError(f"{where}: size {row.width}x{row.height} is of no picture; correct the manifest.")
    if row.width < 0 or row.height < 0 or (row.width == 0) != (row.height == 0):
        raise InputError(
            f"{where}: size {row.width}x{row.height} makes no sense; give both, or 0 and 0 where it is unknown."
        )
    if row.lens and (row.stereo or row.disparity):
        raise InputError(
            f"{where}: a stereo pair must be rectified, and this one has a lens that bends; rectify both pictures "
            "and take the distortion out of the intrinsics."
        )
    _check_numbers(row, where)
    if row.lens:
        _check_lens(row, where)


def _check_numbers(row: FrameRow, where: str) -> None:
    unknown = [math.isnan(value) for value in (row.fx, row.fy, row.cx, row.cy)]
    if any(unknown) and not all(unknown):
        raise InputError(f"{where}: fx, fy, cx, cy must all be numbers, or all empty where the camera is unknown.")
    if not all(unknown):
        partner = row.cx if math.isnan(row.stereo_cx) else row.stereo_cx
        try:
            for cx in (row.cx, partner):
                Camera.from_normalized(row.fx, row.fy, cx, row.cy, 1000, 1000)
        except InputError as error:
            raise InputError(
                f"{where}: intrinsics fx {row.fx:g}, fy {row.fy:g}, cx {row.cx:g}, cy {row.cy:g} are impossible; "
                "the columns hold values divided by the image's width (fx, cx) and height (fy, cy)."
            ) from error
    if not math.isnan(row.baseline) and not 0 < abs(row.baseline) < 100:
        raise InputError(f"{where}: baseline {row.baseline:g} is impossible; give metres, not 0, or leave it empty.")


def _check_lens(row: FrameRow, where: str) -> None:
    try:
        parse_lens(row.lens)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not row.intrinsics_known:
        raise InputError(
            f"{where}: a lens needs fx, fy, cx, cy of the straightened frame; vergence index writes both from an "
            "intrinsics.json with distortion."
        )


def _is_pose(text: str) -> bool:
    try:
        numbers = [float(part) for part in text.split()]
    except ValueError:
        return False
    return len(numbers) == _NUMBERS and all(math.isfinite(number) for number in numbers)
