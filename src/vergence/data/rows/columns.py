"""Columns of a table: few bytes a row, whatever they hold, in buffers that processes share."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vergence.data.rows.arrow_arrays import arrow_numbers, arrow_words, numpy_numbers, word_ends
from vergence.errors import InputError

DEFAULTS: dict[type, Any] = {str: "", int: 0, float: math.nan}
_FEW = 4096
"""Most values of a column that are kept once each, with two bytes a row that say which one is meant."""
_NAN = DEFAULTS[float]

Values = Any
"""Stored values: ``pa.LargeBinaryArray`` of UTF-8 (names of files that are none, as the system spells them), or NumPy's
int64 or float64."""


class Column:
    """Values of one kind (``str``, ``int`` or ``float``), one a row.

    Args:
        kind: of the values.
        values: one for each row, or with ``codes`` the different ones.
        codes: of each row the place of its value.
    """

    def __init__(self, kind: type, values: Values, codes: NDArray[np.uint16] | None = None) -> None:
        self.kind, self.values, self.codes = kind, values, codes
        self._few = None if codes is None else np.array([*_plain(kind, values), None], dtype=object)[:-1]

    @classmethod
    def constant(cls, kind: type, value: Any, count: int) -> "Column":
        """The same value in every row, in no memory."""
        return cls(kind, _stored(kind, [value]), np.broadcast_to(np.uint16(0), count))

    @classmethod
    def of(cls, kind: type, values: Iterable[Any]) -> "Column":
        """The column of values that may come one after the other."""
        builder, remaining = ColumnBuilder(kind), iter(values)
        while piece := list(islice(remaining, _FEW)):
            builder.add(piece)
        return builder.built()

    def reordered(self, rows: NDArray[np.integer]) -> "Column":
        """The column with its rows in another order."""
        return (
            Column(self.kind, self.taken(rows))
            if self.codes is None
            else Column(self.kind, self.values, self.codes[rows])
        )

    def counted(self, rows: NDArray[np.integer]) -> dict[Any, int]:
        """How often each value stands in some rows, in order of appearance."""
        codes, values = self.factorised()
        indices, first, counts = np.unique(codes[rows], return_index=True, return_counts=True)
        words = _plain(self.kind, _take(values, indices))
        return {words[k]: int(counts[k]) for k in np.argsort(first)}

    def __len__(self) -> int:
        return len(self.values if self.codes is None else self.codes)

    def __getitem__(self, row: int) -> Any:
        if self.codes is not None and self._few is not None:
            return self._few[self.codes[row]]
        return _plain(self.kind, self.values[row : row + 1])[0]

    def different(self) -> list[Any]:
        """The value of each code."""
        return [] if self._few is None else self._few.tolist()

    def listed(self, rows: NDArray[np.integer] | slice) -> list[Any]:
        """Values of some rows."""
        if self.codes is not None and self._few is not None:
            return self._few[self.codes[rows]].tolist()
        return _plain(self.kind, self.taken(rows))

    def taken(self, rows: NDArray[np.integer] | slice) -> Values:
        """Stored values of some rows; of a column without codes."""
        assert self.codes is None
        if self.kind is str and not isinstance(rows, slice):
            return self.values.take(arrow_numbers(rows))
        return self.values[rows]

    def each(self, function: Callable[[Values], NDArray[Any]]) -> NDArray[Any]:
        """What a function of values gives for each row; of few it sees the different ones."""
        results = function(self.values)
        return results if self.codes is None else results[self.codes]

    def given(self) -> NDArray[np.bool_]:
        """Which rows have a value: text that is not empty, a number that is not NaN, a whole number that is not 0."""
        return self.each(_given)

    def empty(self) -> bool:
        """Whether no row has a value."""
        return not _given(self.values).any()

    def numbers(self) -> NDArray[Any]:
        """The value of each row of a column of numbers."""
        return self.each(lambda values: np.asarray(values))

    def factorised(self) -> tuple[NDArray[np.integer], Values]:
        """A code for each row, and the values these stand for."""
        if self.codes is not None:
            return self.codes, self.values
        values = self.values if self.kind is str else arrow_numbers(_bits(self.values))
        encoded = values.dictionary_encode()
        words = encoded.dictionary
        codes = numpy_numbers(encoded.indices)
        return codes, words if self.kind is str else _numbers(self.kind, numpy_numbers(words))


class ColumnBuilder:
    """Makes a column from pieces; ``size`` is what it holds so far, in bytes."""

    def __init__(self, kind: type) -> None:
        self.kind, self.size = kind, 0
        self._places: dict[Any, int] = {}
        self._codes: list[NDArray[np.uint16]] = []
        self._pieces: list[Any] | None = None

    def add(self, values: Sequence[Any]) -> None:
        """Take values of the column's kind."""
        self.add_arrow(_arrow(self.kind, values))

    def add_arrow(self, values: pa.Array) -> None:
        """Take an Arrow array of the column's kind, perhaps of a dictionary, without nulls."""
        if self._pieces is None and not self._coded(values):
            self._pieces = [_take(self._words(), codes) for codes in self._codes]
            self._codes.clear()
        if self._pieces is not None:
            piece = values.dictionary.take(values.indices) if pa.types.is_dictionary(values.type) else values
            piece = piece.cast(_STORED[self.kind])
            self._pieces.append(piece if self.kind is str else numpy_numbers(piece))
            self.size += piece.nbytes

    def _coded(self, values: pa.Array) -> bool:
        """Whether the different values are still few; then the piece is taken."""
        if not pa.types.is_dictionary(values.type):
            values = (values if self.kind is str else arrow_numbers(_bits(numpy_numbers(values)))).dictionary_encode()
        elif self.kind is not str:
            return False
        if len(values.dictionary) > _FEW:
            return False
        words = values.dictionary.cast(_STORED[str]).to_pylist() if self.kind is str else values.dictionary.to_pylist()
        if len(self._places.keys() | set(words)) > _FEW:
            return False
        places = [self._places.setdefault(word, len(self._places)) for word in words]
        codes = np.array(places, dtype=np.uint16)[numpy_numbers(values.indices)]
        self._codes.append(codes)
        self.size += codes.nbytes
        return True

    def _words(self) -> Values:
        words = list(self._places)
        if self.kind is str:
            return arrow_words(words)
        return _numbers(self.kind, np.array(words, dtype=np.int64))

    def built(self) -> Column:
        """The column."""
        if self._pieces is None:
            codes = np.concatenate(self._codes) if self._codes else np.empty(0, np.uint16)
            return Column(self.kind, self._words(), codes)
        pieces, self._pieces = self._pieces, []
        return Column(self.kind, pa.concat_arrays(pieces) if self.kind is str else np.concatenate(pieces))


_STORED = {str: pa.large_binary(), int: pa.int64(), float: pa.float64()}


def _arrow(kind: type, values: Sequence[Any]) -> pa.Array:
    if kind is not str:
        return arrow_numbers(numbers(kind, values))
    try:
        return arrow_words([value.encode("utf-8", "surrogateescape") for value in values])
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!r} is no text in UTF-8; correct it.") from None


def _stored(kind: type, values: Sequence[Any]) -> Values:
    return _arrow(kind, values) if kind is str else numbers(kind, values)


def numbers(kind: type, values: Sequence[Any]) -> NDArray[Any]:
    """Numbers in 64 bits; InputError for those that are too large."""
    array = np.array(values) if len(values) else np.empty(0, np.bool_)
    if not np.can_cast(array.dtype, kind):
        large = max(values, key=abs)
        raise InputError(f"{large} is too large a number for a column of {kind.__name__}; give numbers below 2^63.")
    return array.astype(kind)


def _plain(kind: type, values: Values) -> list[Any]:
    """Python's values of stored ones; NaN is one object, so that rows without a number are equal."""
    if kind is str:
        return [value.decode("utf-8", "surrogateescape") for value in values.to_pylist()]
    listed: list[Any] = values.tolist()
    return [_NAN if value != value else value for value in listed] if kind is float else listed


def _take(values: Values, codes: NDArray[np.integer]) -> Values:
    return values.take(arrow_numbers(codes)) if isinstance(values, pa.Array) else values[codes]


def _bits(values: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers by their bits: NaN is equal to itself and -0.0 is not 0.0."""
    return np.ascontiguousarray(values).view(np.int64)


def _numbers(kind: type, bits: NDArray[np.int64]) -> NDArray[Any]:
    return bits.view(np.float64) if kind is float else bits


def _given(values: Values) -> NDArray[np.bool_]:
    if isinstance(values, pa.Array):
        return np.diff(word_ends(values)) > 0
    return np.asarray(~np.isnan(values) if values.dtype == np.float64 else values != 0)
