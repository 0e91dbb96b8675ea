"""Points marked by hand, or tracked, as a CSV table: one line for each point in each frame."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vergence.data.structured import read_csv
from vergence.errors import InputError, nearest

COLUMNS = ("frame", "point", "x", "y", "visible", "border")
REQUIRED = COLUMNS[:4]
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class PointTable:
    """Places of P points in T frames."""

    frames: tuple[int, ...]
    """Numbers, rising."""
    points: tuple[str, ...]
    """Names, in the order of the file."""
    positions: Tensor
    """(T, P, 2) float64, pixels x and y; NaN where the file has none."""
    visible: Tensor
    """(T, P) bool; False where the file has no place."""
    border: Tensor
    """(P,) bool: on the border of a tissue."""

    def like(self, other: "PointTable") -> Tensor:
        """Places (T, P, 2) in the frames and of the points of another table; NaN where this one has none.

        InputError where the two have no frame or no point in common.
        """
        for unit, own, wanted in (("frame", self.frames, other.frames), ("point", self.points, other.points)):
            if not set(own) & set(wanted):
                raise InputError(
                    f"the two tables have no {unit} in common ({own[0]} ... and {wanted[0]} ...); "
                    f"number the {unit}s alike."
                )
        points = torch.full((len(other.frames), len(other.points), 2), math.nan, dtype=torch.float64)
        rows = {frame: index for index, frame in enumerate(self.frames)}
        columns = {point: index for index, point in enumerate(self.points)}
        for t, frame in enumerate(other.frames):
            for p, point in enumerate(other.points):
                if frame in rows and point in columns:
                    points[t, p] = self.positions[rows[frame], columns[point]]
        return points


def read_points(path: Path | str) -> PointTable:
    """Read a CSV file with the columns frame, point, x, y and, where they are of use, visible and border (0 or 1).

    ``frame`` is a whole number, ``point`` any name, x and y are pixels, pixel centres at integers; both may be empty
    where the point is lost or invisible. Without ``visible``, a place is visible where it has x and y.

    Raises:
        InputError: missing file or column, an unknown column, a value that is no number, a point twice in one frame, a
            visible place without x and y, a point that is on the border in some frames only.
    """
    path = Path(path)
    listed = read_csv(path, f"give a table with {', '.join(REQUIRED)}")
    names = [name.strip() for name in listed[0][1]] if listed else []
    _check_columns(names, path)
    lines = [(number, dict(itertools.zip_longest(names, cells[: len(names)]))) for number, cells in listed[1:]]
    positions: dict[tuple[int, str], tuple[float, float, bool]] = {}
    border: dict[str, bool] = {}
    for number, line in lines:
        where = f"{path}, line {number}"
        frame, point = _frame(line["frame"], where), (line["point"] or "").strip()
        if not point or (frame, point) in positions:
            raise InputError(f"{where}: point {point!r} has no name or is twice in frame {frame}; correct the table.")
        positions[frame, point] = _position(line, where)
        on_border = _flag(line, "border", False, where)
        if border.setdefault(point, on_border) != on_border:
            raise InputError(f"{where}: point {point!r} is on the border in some frames only; say the same in all.")
    if not positions:
        raise InputError(f"{path} has no points; give one line for each point in each frame.")
    return _table(positions, border)


def _table(positions: Mapping[tuple[int, str], tuple[float, float, bool]], border: Mapping[str, bool]) -> PointTable:
    frames = tuple(sorted({frame for frame, _ in positions}))
    points = tuple(border)
    xy = torch.full((len(frames), len(points), 2), math.nan, dtype=torch.float64)
    visible = torch.zeros((len(frames), len(points)), dtype=torch.bool)
    rows = {frame: index for index, frame in enumerate(frames)}
    columns = {point: index for index, point in enumerate(points)}
    for (frame, point), (x, y, seen) in positions.items():
        xy[rows[frame], columns[point]] = torch.tensor((x, y), dtype=torch.float64)
        visible[rows[frame], columns[point]] = seen
    return PointTable(frames, points, xy, visible, torch.tensor(list(border.values())))


def _check_columns(names: object, path: Path) -> None:
    columns = [str(name) for name in names]  # type: ignore[attr-defined]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]!r}; it needs {', '.join(REQUIRED)} in its first line.")
    for name in columns:
        if name not in COLUMNS:
            raise InputError(f"{path} has an unknown column {name!r}{nearest(name, COLUMNS)}; remove or rename it.")


def _frame(text: str | None, where: str) -> int:
    try:
        return int((text or "").strip())
    except ValueError:
        raise InputError(f"{where}: frame {text!r} is no whole number; number the frames.") from None


def _position(line: Mapping[str, str | None], where: str) -> tuple[float, float, bool]:
    numbers = []
    for name in ("x", "y"):
        text = (line[name] or "").strip()
        try:
            numbers.append(float(text or "nan"))
        except ValueError:
            raise InputError(f"{where}: {name} is {text!r}, expected pixels; leave it empty where none.") from None
    known = all(math.isfinite(number) for number in numbers)
    visible = _flag(line, "visible", known, where)
    if visible and not known:
        raise InputError(f"{where}: the point is visible and has no x and y; give both or set visible to 0.")
    x, y = numbers if known else (math.nan, math.nan)
    return x, y, visible


def _flag(line: Mapping[str, str | None], name: str, default: bool, where: str) -> bool:
    text = (line.get(name) or "").strip().lower()
    if not text:
        return default
    if text not in _WORDS:
        raise InputError(f"{where}: {name} is {text!r}; give 0 or 1.")
    return _WORDS[text]
