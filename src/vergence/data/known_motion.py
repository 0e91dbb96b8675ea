"""What is known of a camera's motion in metres: KITTI and TUM poses, tables of a GPS or of odometry, a speed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.buckets.remote import given
from vergence.data.structured import plain_number, read_csv, read_lines, read_numbers
from vergence.errors import InputError

Floats = NDArray[np.float64]
_REMEDY = (
    "give KITTI poses (12 numbers a line, one line a frame), TUM poses (time x y z qx qy qz qw), or a table that names "
    "its columns: time with x, y, z or lat, lon or speed"
)
_NAMES = {
    "time": ("time", "timestamp", "t", "seconds"),
    "x": ("x", "tx"),
    "y": ("y", "ty"),
    "z": ("z", "tz"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "longitude"),
    "alt": ("alt", "altitude", "height", "ele", "elevation"),
    "speed": ("speed", "velocity", "v"),
}
_UNIT = re.compile(r"[_ (\[]+(s|sec|seconds|m|metres|meters|deg|degrees|mps|m/s)[)\]]*$")
_SPEED = re.compile(r"([-+.\deE]+|nan|inf)\s*(m/s|km/h|kmh|kph)?")
_EQUATOR, _FLATTENING = 6378137.0, 1 / 298.257223563  # WGS 84


@dataclass(frozen=True)
class KnownMotion:
    """Where a camera was."""

    name: str
    """Name of the file, for sentences."""
    positions: Floats
    """(N, 3) metres; in any axes, only distances count."""
    times: Floats | None
    """(N,) seconds, rising; None: one position a frame."""
    along: bool = False
    """Positions are the way along the path, not places: bends do not shorten it."""


def parse_speed(speed: float | str) -> float:
    """Metres per second of 13.9, "13.9 m/s" or "50 km/h"; InputError where it is none."""
    match = _SPEED.fullmatch(str(speed).strip())
    try:
        value = plain_number(match[1]) if match else float("nan")
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e5:
        raise InputError(f"speed {speed!r} is impossible; give metres per second, or for example 50km/h.")
    return value / 3.6 if match and (match[2] or "m/s") != "m/s" else value


def read_motion(path: Path | str) -> KnownMotion:
    """Positions of a camera from a file.

    KITTI: 12 numbers a line (row-major 3 x 4 camera-to-world, metres), a line a frame. TUM: ``time x y z qx qy qz qw``.
    A table whose first line (or a comment above the numbers) names the columns: ``time`` in seconds, and ``x``, ``y``
    (and ``z``) in metres, ``lat`` and ``lon`` (and ``alt``) in degrees and metres, or ``speed`` in m/s.

    Raises:
        InputError: none of these, a number that is not finite, times that do not rise.
    """
    path = given(path)
    lines = [line.strip() for line in read_lines(path, _REMEDY)]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    words = first.replace(",", " ").split()
    if words and not _is_number(words[0]):
        return _table(Path(path), *_cells(Path(path)))
    above = lines[: lines.index(first)] if first else []
    named = [_columns(line.lstrip("# ").replace(",", " ").split()) for line in above]
    header = next((names for names in named if len(names) == len(words) and "time" in names), None)
    numbers = read_numbers(path, remedy=_REMEDY)
    if header is not None:
        return _table(Path(path), header, numbers)
    if numbers.shape[1] == 12:
        return KnownMotion(Path(path).name, numbers[:, 3::4], None)
    if numbers.shape[1] == 8:
        return KnownMotion(Path(path).name, numbers[:, 1:4], _rising(Path(path), numbers[:, 0]))
    raise InputError(f"{path} has {numbers.shape[1]} numbers a line and names no columns; {_REMEDY}.")


def _cells(path: Path) -> tuple[list[str], Floats]:
    """Names of columns and their numbers; columns that are not known are not read and hold zeros."""
    (_, header), *rows = read_csv(path)
    names = _columns(header)
    numbers = np.zeros((len(rows), len(names)))
    for row, (line, cells) in enumerate(rows):
        if len(cells) != len(names):
            raise InputError(f"{path}, line {line} has {len(cells)} cells, expected {len(names)}; {_REMEDY}.")
        for column, (name, cell) in enumerate(zip(names, cells, strict=True)):
            if name in _NAMES:
                if not _is_number(cell) or not np.isfinite(plain_number(cell)):
                    raise InputError(
                        f"{path}, line {line} has {name} {cell[:40]!r}, expected a finite number (times in seconds); "
                        "correct or remove the line."
                    )
                numbers[row, column] = plain_number(cell)
    return names, numbers


def _columns(words: Sequence[str]) -> list[str]:
    """Our names of the columns, the file's own in lower case where they are no others."""
    plain = [_UNIT.sub("", word.strip().lower()) for word in words]
    return [next((ours for ours, theirs in _NAMES.items() if word in theirs), word) for word in plain]


def _table(path: Path, names: Sequence[str], numbers: Floats) -> KnownMotion:
    columns = {name: numbers[:, column] for column, name in enumerate(names) if name in _NAMES}
    if "time" not in columns or not (
        {"x", "y"} <= set(columns) or {"lat", "lon"} <= set(columns) or "speed" in columns
    ):
        raise InputError(f"{path} has the columns {', '.join(names)[:200]}; {_REMEDY}.")
    times = _rising(path, columns["time"])
    none = np.zeros(len(times))
    if {"x", "y"} <= set(columns):
        places = np.stack((columns["x"], columns["y"], columns.get("z", none)), axis=1)
        return KnownMotion(path.name, places, times)
    if {"lat", "lon"} <= set(columns):
        lat, lon = columns["lat"], columns["lon"]
        if (np.abs(lat) > 90).any() or (np.abs(lon) > 360).any():
            raise InputError(f"{path} has a lat or lon that is no angle in degrees; {_REMEDY}.")
        return KnownMotion(path.name, local_metres(lat, lon, columns.get("alt", none)), times)
    speed = columns["speed"]
    way = np.concatenate(([0.0], np.cumsum(np.diff(times) * (np.abs(speed[1:]) + np.abs(speed[:-1])) / 2)))
    return KnownMotion(path.name, np.stack((way, none, none), axis=1), times, along=True)


def local_metres(lat: Floats, lon: Floats, alt: Floats) -> Floats:
    """East, north and up (N, 3) in metres from the first place, on the plane that touches WGS 84's ellipsoid there.

    Args:
        lat, lon: degrees.
        alt: metres.
    """
    phi = np.radians(lat[0])
    squared = _FLATTENING * (2 - _FLATTENING)
    root = np.sqrt(1 - squared * np.sin(phi) ** 2)
    across, along = _EQUATOR / root, _EQUATOR * (1 - squared) / root**3  # radii of curvature
    turned = (lon - lon[0] + 180) % 360 - 180
    east, north = across * np.cos(phi) * np.radians(turned), along * np.radians(lat - lat[0])
    return np.stack((east, north, alt - alt[0]), axis=1)


def _rising(path: Path, times: Floats) -> Floats:
    if len(times) < 2:
        raise InputError(f"{path} holds {len(times)} positions, expected two or more; {_REMEDY}.")
    if not (np.diff(times) > 0).all():
        line = int(np.argmin(np.diff(times) > 0)) + 2
        raise InputError(f"{path}: times do not rise at position {line} ({times[line - 1]:g} s); sort them by time.")
    return times


def _is_number(word: str) -> bool:
    try:
        plain_number(word)
    except ValueError:
        return False
    return True
