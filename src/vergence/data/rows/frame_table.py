"""Rows of frames as columns; a row is made when it is asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from vergence.data.rows.columns import DEFAULTS, Column, ColumnBuilder
from vergence.data.rows.frame_row import COLUMNS, TYPES, FrameRow
from vergence.data.rows.row_index import RowIndex

AT_ONCE = 8192
"""Rows that are made at a time where all are gone through."""


class FrameTable:
    """Columns of :class:`FrameRow`, by name; those without a value in any row are left out.

    Args:
        columns: of one length.
        count: number of rows.
    """

    def __init__(self, columns: Mapping[str, Column], count: int) -> None:
        self._count = count
        self.columns = {name: columns[name] for name in COLUMNS if name in columns and not columns[name].empty()}

    @classmethod
    def of_rows(cls, rows: Iterable[FrameRow]) -> "FrameTable":
        """The table of rows, which may come one after the other."""
        builders = {name: ColumnBuilder(TYPES[name]) for name in COLUMNS}
        count, remaining = 0, iter(rows)
        while piece := list(islice(remaining, AT_ONCE)):
            count += len(piece)
            for name, builder in builders.items():
                builder.add([getattr(row, name) for row in piece])
        return cls({name: builder.built() for name, builder in builders.items()}, count)

    def __len__(self) -> int:
        return self._count

    def row(self, index: int) -> FrameRow:
        """One row."""
        return FrameRow(**(_NOTHING | {name: column[index] for name, column in self.columns.items()}))

    def rows(self, indices: NDArray[np.integer]) -> Iterator[FrameRow]:
        """Some rows, one after the other."""
        for start in range(0, len(indices), AT_ONCE):
            piece = indices[start : start + AT_ONCE]
            columns = {name: [value] * len(piece) for name, value in _NOTHING.items()}
            columns |= {name: column.listed(piece) for name, column in self.columns.items()}
            for values in zip(*columns.values(), strict=True):
                yield FrameRow(**dict(zip(columns, values, strict=True)))

    def column(self, name: str) -> Column:
        """A column, also one without values."""
        kind = TYPES[name]
        return self.columns.get(name) or Column.constant(kind, DEFAULTS[kind], self._count)

    def given(self, name: str) -> NDArray[np.bool_]:
        """Which rows have a value in a column."""
        return self.columns[name].given() if name in self.columns else np.zeros(self._count, np.bool_)

    def replaced(self, columns: Mapping[str, Column]) -> "FrameTable":
        """The table with other columns in the place of its own."""
        table = FrameTable(self.columns | dict(columns), self._count)
        if not {"sequence", "camera", "position"} & columns.keys():
            table.index = self.index
        return table

    @cached_property
    def index(self) -> RowIndex:
        """Where neighbours lie."""
        return RowIndex(*(self.column(name) for name in ("sequence", "camera", "position")))


_NOTHING: dict[str, Any] = {name: DEFAULTS[TYPES[name]] for name in ("image", "sequence", "position")}
"""Values of the columns without a default."""


class Rows(Sequence[FrameRow]):
    """Rows of a table in some order, as a sequence; equal to any that holds the same."""

    def __init__(self, table: FrameTable, order: NDArray[np.integer]) -> None:
        self._table, self._order = table, order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> FrameRow: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows": ...
    def __getitem__(self, index: int | slice) -> "FrameRow | Rows":
        if isinstance(index, slice):
            return Rows(self._table, self._order[index])
        return self._table.row(int(self._order[index]))

    def __iter__(self) -> Iterator[FrameRow]:
        return self._table.rows(self._order)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]


def _same(one: object, other: object) -> bool:
    return one == other
