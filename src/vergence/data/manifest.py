"""The manifest: everything that has frames, as one table with a row for each frame."""

import copy
import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from vergence.data.buckets.addresses import is_remote, is_result, named
from vergence.data.buckets.remote import local
from vergence.data.digests import file_state
from vergence.data.rows.arrow_arrays import arrow_word, numpy_flags
from vergence.data.rows.columns import Column, Values
from vergence.data.rows.frame_row import (
    COLUMNS,
    NEIGHBOUR_COLUMNS,
    PATH_COLUMNS,
    TYPES,
    FrameRow,
    format_pose,
)
from vergence.data.rows.frame_table import FrameTable, Rows
from vergence.data.rows.manifest_digest import digest_rows
from vergence.data.rows.repeated_images import repeated
from vergence.data.rows.row_checks import check_rows
from vergence.data.table import read_table, write_rows
from vergence.errors import InputError

__all__ = ["COLUMNS", "PATH_COLUMNS", "FrameRow", "Manifest", "format_pose"]

_log = logging.getLogger("vergence")


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
        rows: Iterable[FrameRow] | FrameTable,
        root: Path | str,
        name: str = "the manifest",
        samples: int | None = None,
        read_from: Sequence[Path] = (),
    ) -> None:
        self._table = rows if isinstance(rows, FrameTable) else FrameTable.of_rows(rows)
        self._order = np.arange(len(self._table), dtype=np.int32)
        """The table's row of each row."""
        self._place: NDArray[np.int32] | None = None
        """The row of each of the table's, where the order is another."""
        self.root = Path(root).absolute()
        self.name = named(name)
        self.read_from = tuple(read_from)
        self._samples = len(self._table) if samples is None else samples
        _check_places(self._table, name)
        check_rows(self._table, name)

    @classmethod
    def read(cls, path: Path | str) -> "Manifest":
        """Read a ``.parquet`` or ``.csv`` manifest; InputError where it is missing, broken or has wrong columns.

        The file is read and checked once as long as it stays the same and few others are read in between.
        """
        file = local(Path(path))
        state = f"{file_state(file)}|{file.stat().st_ino}" if file.is_file() else ""
        manifest = _read_once(str(path), os.path.abspath(path), state) if state else _read_file(str(path))
        return copy.copy(manifest)

    def write(self, path: Path | str) -> Path:
        """Write the samples as Parquet or CSV (by suffix), whole or not at all, paths relative to its folder."""
        path = Path(path).absolute()
        folder = lru_cache(1 << 16)(lambda name: _seen_from(path.parent, self.root / name))
        write_rows(path, (_moved(row, folder, self.root) for row in self))
        return path

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, index: int) -> FrameRow:
        if index < 0:
            raise IndexError(index)
        return self._table.row(self._order[index])

    def __iter__(self) -> Iterator[FrameRow]:
        return iter(self.rows[: self._samples])

    @property
    def rows(self) -> Rows:
        """All rows, samples first; each is made when it is asked for."""
        return Rows(self._table, self._order)

    def path(self, index: int, column: str = "image") -> Path:
        """Absolute path of a row's file; ValueError where the row has none."""
        value = self._table.column(column)[self._order[index]]
        if not value:
            raise ValueError(f"row {index} has no {column}")
        return self.root / value

    def given(self, column: str) -> NDArray[np.bool_]:
        """Which of all rows (samples first) have a value in a column: no "", NaN or whole number 0."""
        return self._table.given(column)[self._order]

    def judging(self) -> NDArray[np.bool_]:
        """Which of all rows have a label that was made or checked by somebody (:attr:`FrameRow.judges`)."""
        return self.given("label") & ~self.given("label_origin")

    def values(self, column: str) -> list[Any]:
        """The values of all rows in a column."""
        return self._table.column(column).listed(self._order)

    def select(
        self,
        split: str | None = None,
        predicate: Callable[[FrameRow], bool] | None = None,
        where: NDArray[np.bool_] | None = None,
    ) -> "Manifest":
        """The samples of a split, perhaps none; the others stay as neighbours.

        Args:
            split: its name.
            predicate: must hold for a sample; it is asked for each, so ``where`` is faster.
            where: which samples, or rows, may be chosen; what it says of others does not count.
        """
        keep = np.ones(len(self), np.bool_) if where is None else where[: len(self)].copy()
        samples = self._order[: len(self)]
        if split is not None:
            keep &= self._table.column("split").each(lambda values: _equal(values, split))[samples]
        if predicate is not None:
            chosen = np.flatnonzero(keep)
            keep[chosen] = np.fromiter(map(predicate, self._table.rows(samples[chosen])), np.bool_, len(chosen))
        name = self.name
        if split is not None:
            name = f"{name} (split {split!r} of {', '.join(repr(key) for key in self.splits() if key) or 'none'})"
        selection = copy.copy(self)
        selection.name, selection._samples = name, int(keep.sum())
        selection._order = np.concatenate([samples[keep], self._order[len(self) :], samples[~keep]])
        selection._place = np.empty_like(selection._order)
        selection._place[selection._order] = np.arange(len(selection._order), dtype=np.int32)
        return selection

    def only(self, rows: NDArray[np.integer], name: str) -> "Manifest":
        """A manifest of some samples in this order, called ``name``, and of nothing beside them."""
        order = self._order[rows]
        columns = {key: column.reordered(order) for key, column in self._table.columns.items()}
        return Manifest(FrameTable(columns, len(order)), self.root, name)

    def changed(self, change: Callable[[FrameRow], FrameRow]) -> "Manifest":
        """The same manifest with every row, sample or neighbour, passed through ``change``."""
        return Manifest(map(change, self.rows), self.root, self.name, len(self), self.read_from)

    def with_values(self, columns: Mapping[str, Iterable[Any]]) -> "Manifest":
        """The same manifest with other values in some columns, one for each row, sample or neighbour."""
        table = self._table.replaced({name: self._column(name, values) for name, values in columns.items()})
        changed = copy.copy(self)
        changed._table = table
        check_rows(table, self.name)
        return changed

    def _column(self, name: str, values: Iterable[Any]) -> Column:
        column = Column.of(TYPES[name], values)
        return column if self._place is None else column.reordered(self._place)

    def splits(self) -> dict[str, int]:
        """Number of samples of each split, in order of appearance."""
        return self._table.column("split").counted(self._order[: len(self)])

    def neighbour(self, index: int, offset: int) -> int | None:
        """Index of the row ``offset`` positions later in the same sequence and camera, or None."""
        row = self._table.index.neighbour(int(self._order[index]), offset)
        return row if row is None or self._place is None else int(self._place[row])

    def neighbours(self, offset: int) -> NDArray[np.int64]:
        """The same of each sample, -1 for None."""
        rows = self._table.index.neighbours(self._order[: len(self)], offset)
        return rows if self._place is None else np.where(rows < 0, -1, self._place[rows])

    def has_source(self, index: int, offset: int | str) -> bool:
        """Whether the row has a neighbour at this offset ("s": a stereo partner)."""
        if isinstance(offset, str):
            return bool(self._table.column("stereo")[self._order[index]])
        return self.neighbour(index, offset) is not None

    def sourced(self, offset: int | str) -> NDArray[np.bool_]:
        """The same of each sample."""
        return self.given("stereo")[: len(self)] if isinstance(offset, str) else self.neighbours(offset) >= 0

    def summary(self) -> str:
        """What the manifest holds, in a few lines for people."""
        samples, column = self._order[: len(self)], self._table.column
        sizes = Counter(zip(column("width").listed(samples), column("height").listed(samples), strict=True))
        sized = Counter(
            {f"{width}x{height}" if width else "unknown": count for (width, height), count in sizes.items()}
        )
        given = {
            name: self.given(name)[: len(self)] for name in ("fx", "stereo", "label", "depth", "disparity", "pose")
        }
        spaces = column("label_space").counted(samples[given["label"]])
        parts = {
            "frames": str(len(self)),
            "sequences": str(len(column("sequence").counted(samples))),
            "cameras": str(len(column("camera").counted(samples))),
            "sizes": ", ".join(f"{size} ({count})" for size, count in sized.most_common(5)),
            "splits": ", ".join(f"{split or '(none)'} {count}" for split, count in self.splits().items()),
            "intrinsics": _share(given["fx"]),
            "both neighbours": _share(self.sourced(-1) & self.sourced(1)),
            "stereo partner": _share(given["stereo"]),
            "labels": _share(given["label"]),
            "label spaces": ", ".join(sorted(spaces)) or "none",
            "depth": _share(given["depth"] | given["disparity"]),
            "poses": _share(given["pose"]),
        }
        return "\n".join(f"{key:>16}  {value}" for key, value in parts.items())

    def digest(self) -> str:
        """Twelve hexadecimal digits of the samples' values and file names, the same wherever the data lie."""
        return digest_rows(self._table, self._order[: len(self)], COLUMNS)

    def beside(self, offsets: Sequence[int | str]) -> NDArray[np.int64]:
        """Frames at these offsets from samples that are no samples: their indices, which rise."""
        near = np.zeros(len(self._order), np.bool_)
        for neighbours in (self.neighbours(offset) for offset in offsets if isinstance(offset, int)):
            near[neighbours[neighbours >= len(self)]] = True
        return np.flatnonzero(near)

    def neighbour_digest(self, offsets: Sequence[int | str]) -> str:
        """The same of what is read of frames at these offsets that are no samples: picture, place, lens and camera."""
        outside = self._order[self.beside(offsets)]
        return digest_rows(self._table, self._table.index.by_name(outside), NEIGHBOUR_COLUMNS)


def _read_file(path: str) -> Manifest:
    table = read_table(Path(path))
    if again := repeated(table.column("image")):
        count, row, before = again[0], table.row(again[1]), table.row(again[2])
        _log.warning(
            "%s names pictures in more than one row (%d rows; the first is %s at position %d of sequence %r, which "
            "position %d of %r names, too): they count once for each row; remove these rows if that is not meant",
            named(path), count, row.image, row.position, row.sequence, before.position, before.sequence,
        )  # fmt: skip
    return Manifest(table, Path(path).parent, path, read_from=[Path(path)])


@lru_cache(maxsize=2)
def _read_once(path: str, _place: str, _state: str) -> Manifest:
    """A manifest by its path, from which folder that is seen, and how the file looks."""
    return _read_file(path)


def _seen_from(folder: Path, path: Path) -> str:
    """A path from a folder on; what is not with it in a store, to where the folder goes, is named in full.

    So is what cannot be reached by going up: out of a folder that is a link, that leads beside the folder it links to.
    """
    if is_result(f"{folder}/") and not is_result(f"{path}/"):
        return os.path.normpath(path)
    seen = os.path.relpath(path, folder)
    if seen.startswith(os.pardir) and not is_remote(f"{folder}/"):
        there = os.path.realpath(os.path.join(os.path.realpath(folder), seen))
        return seen if there == os.path.realpath(path) else os.path.normpath(path)
    return seen


def _moved(row: FrameRow, folder: Callable[[str], str], root: Path) -> FrameRow:
    """A row whose paths begin elsewhere: ``folder`` says what a folder becomes; objects of stores keep addresses."""
    moved: dict[str, Any] = {}
    here = not is_remote(f"{root}/")
    for name in PATH_COLUMNS:
        if path := getattr(row, name):
            parent, _, last = path.rpartition("/")
            if not (here and not is_remote(path)) and is_remote(joined := os.path.normpath(root / path)):
                moved[name] = named(joined)
            elif last in ("", ".", "..") or (not parent and path.startswith("/")) or os.sep != "/":
                moved[name] = Path(folder(path)).as_posix()
            else:
                moved[name] = os.path.normpath(os.path.join(folder(parent), last))
    return dataclasses.replace(row, **moved)


def _equal(values: Values, text: str) -> NDArray[np.bool_]:
    return numpy_flags(pc.equal(values, arrow_word(text.encode("utf-8", "surrogateescape"))))


def _share(flags: NDArray[np.bool_]) -> str:
    return f"{int(flags.sum())} of {len(flags)}"


def _check_places(table: FrameTable, name: str) -> None:
    if doubled := table.index.doubled():
        first, row = map(table.row, doubled)
        raise InputError(
            f"{name} has two frames at sequence {row.sequence!r}, position {row.position}, camera {row.camera!r} "
            f"({first.image} and {row.image}); give each frame its own position, or each camera its own name."
        )
