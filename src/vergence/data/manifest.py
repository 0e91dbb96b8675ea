"""The manifest: everything that has frames, as one table with a row for each frame."""

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vergence.data.frame_row import (
    COLUMNS,
    LATER_COLUMNS,
    NEIGHBOUR_COLUMNS,
    PATH_COLUMNS,
    FrameRow,
    check_rows,
    format_pose,
)
from vergence.data.table import read_rows, write_rows
from vergence.errors import InputError

__all__ = ["COLUMNS", "PATH_COLUMNS", "FrameRow", "Manifest", "format_pose"]


class Manifest:
    """Rows and the folder their paths start from.

    ``len``, iteration and the methods speak of the manifest's samples. A manifest made by :meth:`select` also knows
    the rows that were not selected: they have indices from ``len(manifest)`` on and serve as neighbours only,
    because a split says which frames are targets, not which frames lie beside them.

    Args:
        rows: one for each frame.
        root: folder that relative paths start from.
        name: what messages call this manifest.
        samples: how many of the first rows are samples; default all.
        read_from: files that it was read from.

    Raises:
        InputError: two rows share (sequence, position, camera), or a row's values make no sense.
    """

    def __init__(
        self,
        rows: Sequence[FrameRow],
        root: Path | str,
        name: str = "the manifest",
        samples: int | None = None,
        read_from: Sequence[Path] = (),
    ) -> None:
        self.rows = tuple(rows)
        self.root = Path(root).absolute()
        self.name = name
        self.read_from = tuple(read_from)
        self._samples = len(self.rows) if samples is None else samples
        self._index_of = _indices_of(self.rows, name)
        check_rows(self.rows, name)

    @classmethod
    def read(cls, path: Path | str) -> "Manifest":
        """Read a ``.parquet`` or ``.csv`` manifest; InputError where it is missing, broken or has wrong columns."""
        return cls(read_rows(Path(path)), Path(path).parent, str(path), read_from=[Path(path)])

    def write(self, path: Path | str) -> Path:
        """Write the samples as Parquet or CSV (by suffix), whole or not at all, paths relative to its folder."""
        path = Path(path).absolute()
        write_rows(path, [self._moved(row, path.parent) for row in self])
        return path

    def _moved(self, row: FrameRow, folder: Path) -> FrameRow:
        paths = {name: getattr(row, name) for name in PATH_COLUMNS}
        moved: dict[str, Any] = {
            name: Path(os.path.relpath(self.root / path, folder)).as_posix() for name, path in paths.items() if path
        }
        return dataclasses.replace(row, **moved)

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, index: int) -> FrameRow:
        if index < 0:
            raise IndexError(index)
        return self.rows[index]

    def __iter__(self) -> Iterator[FrameRow]:
        return iter(self.rows[: self._samples])

    def path(self, index: int, column: str = "image") -> Path:
        """Absolute path of a row's file; ValueError where the row has none."""
        value = getattr(self[index], column)
        if not value:
            raise ValueError(f"row {index} has no {column}")
        return self.root / value

    def select(self, split: str | None = None, predicate: Callable[[FrameRow], bool] | None = None) -> "Manifest":
        """The samples of a split and for which ``predicate`` holds, perhaps none; the others stay as neighbours."""
        chosen: list[FrameRow] = []
        others = list(self.rows[self._samples :])
        for row in self:
            keep = (split is None or row.split == split) and (predicate is None or predicate(row))
            (chosen if keep else others).append(row)
        name = self.name
        if split is not None:
            name = f"{name} (split {split!r} of {', '.join(repr(key) for key in self.splits() if key) or 'none'})"
        return Manifest([*chosen, *others], self.root, name, len(chosen), self.read_from)

    def changed(self, change: Callable[[FrameRow], FrameRow]) -> "Manifest":
        """The same manifest with every row, sample or neighbour, passed through ``change``."""
        return Manifest([change(row) for row in self.rows], self.root, self.name, len(self), self.read_from)

    def splits(self) -> dict[str, int]:
        """Number of samples of each split, in order of appearance."""
        return dict(Counter(row.split for row in self))

    def neighbour(self, index: int, offset: int) -> int | None:
        """Index of the row ``offset`` positions later in the same sequence and camera, or None."""
        sequence, camera, position = _key(self[index])
        return self._index_of.get((sequence, camera, position + offset))

    def has_source(self, index: int, offset: int | str) -> bool:
        """Whether the row has a neighbour at this offset ("s": a stereo partner)."""
        if isinstance(offset, str):
            return bool(self[index].stereo)
        return self.neighbour(index, offset) is not None

    def summary(self) -> str:
        """What the manifest holds, in a few lines for people."""
        rows = list(self)
        sizes = Counter(f"{row.width}x{row.height}" if row.width else "unknown" for row in rows)
        parts = {
            "frames": str(len(rows)),
            "sequences": str(len({row.sequence for row in rows})),
            "cameras": str(len({row.camera for row in rows})),
            "sizes": ", ".join(f"{size} ({count})" for size, count in sizes.most_common(5)),
            "splits": ", ".join(f"{split or '(none)'} {count}" for split, count in self.splits().items()),
            "intrinsics": _share(row.intrinsics_known for row in rows),
            "both neighbours": _share(self.has_source(i, -1) and self.has_source(i, 1) for i in range(len(rows))),
            "stereo partner": _share(bool(row.stereo) for row in rows),
            "labels": _share(bool(row.label) for row in rows),
            "label spaces": ", ".join(sorted({row.label_space for row in rows if row.label})) or "none",
            "depth": _share(bool(row.depth or row.disparity) for row in rows),
            "poses": _share(bool(row.pose) for row in rows),
        }
        return "\n".join(f"{key:>16}  {value}" for key, value in parts.items())

    def digest(self) -> str:
        """Twelve hexadecimal digits of the samples' values and file names, the same wherever the data lie."""
        return _digest(self, COLUMNS)

    def neighbour_digest(self, offsets: Sequence[int | str]) -> str:
        """The same of what is read of frames at these offsets that are no samples: picture, place, lens and camera."""
        near = (self.neighbour(i, offset) for i in range(len(self)) for offset in offsets if isinstance(offset, int))
        outside = sorted({i for i in near if i is not None and i >= len(self)}, key=lambda i: _key(self.rows[i]))
        return _digest((self.rows[i] for i in outside), NEIGHBOUR_COLUMNS)


def _digest(rows: Iterable[FrameRow], columns: Sequence[str]) -> str:
    hasher = hashlib.sha256()
    for row in rows:
        values = {name: getattr(row, name) for name in columns}
        values.update({name: Path(values[name]).name for name in PATH_COLUMNS if name in values})
        for name in LATER_COLUMNS:  # data without them keep the digest they had
            if name in values and (not values[name] or values[name] != values[name]):
                del values[name]
        hasher.update(repr(list(values.values())).encode())
    return hasher.hexdigest()[:12]


def _key(row: FrameRow) -> tuple[str, str, int]:
    return row.sequence, row.camera, row.position


def _share(flags: Iterable[bool]) -> str:
    values = list(flags)
    return f"{sum(values)} of {len(values)}"


def _indices_of(rows: Sequence[FrameRow], name: str) -> dict[tuple[str, str, int], int]:
    index_of: dict[tuple[str, str, int], int] = {}
    for index, row in enumerate(rows):
        first = index_of.setdefault(_key(row), index)
        if first != index:
            raise InputError(
                f"{name} has two frames at sequence {row.sequence!r}, position {row.position}, camera {row.camera!r} "
                f"({rows[first].image} and {row.image}); give each frame its own position, or each camera its own name."
            )
    return index_of
