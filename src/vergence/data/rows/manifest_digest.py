"""Digests of rows: which values they hold, the same wherever the data lie."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vergence.data.rows.arrow_arrays import arrow_numbers, arrow_word, arrow_words, letters, word_ends
from vergence.data.rows.columns import Column
from vergence.data.rows.frame_row import LATER_COLUMNS, PATH_COLUMNS
from vergence.data.rows.frame_table import FrameTable

_AT_ONCE = 1 << 16
_PLAIN = np.zeros(256, np.bool_)
_PLAIN[32:127] = True
_PLAIN[[ord("'"), ord("\\")]] = False
"""Bytes that ``repr`` of a text leaves as they are."""


def digest_rows(table: FrameTable, rows: NDArray[np.integer], columns: Sequence[str]) -> str:
    """Twelve hexadecimal digits of the SHA-256 of ``repr([value of each column])`` of one row after the other.

    Of paths the file's name counts; later columns without a value do not.
    """
    parts = _grouped([_Part(table.column(name), name, "" if name == columns[0] else ", ") for name in columns])
    hasher = hashlib.sha256()
    for start in range(0, len(rows), _AT_ONCE):
        piece = rows[start : start + _AT_ONCE]
        texts = [text for part in parts for text in part.texts(piece)]
        lines = pc.binary_join_element_wise(arrow_word(b"["), *texts, arrow_word(b"]"), arrow_word(b""))
        hasher.update(memoryview(lines.buffers()[2])[: word_ends(lines)[-1]])
    return hasher.hexdigest()[:12]


class _Part:
    """What one column adds to the text of a row."""

    def __init__(self, column: Column, name: str, separator: str) -> None:
        self.column, self._separator = column, separator
        self._is_path, self._is_later = name in PATH_COLUMNS, name in LATER_COLUMNS
        self.words = () if column.codes is None else tuple(map(self._word, column.different()))
        """Text of each code."""

    def _word(self, value: Any) -> bytes:
        if self._is_later and (not value or value != value):  # data without them keep the digest they had
            return b""
        return f"{self._separator}{(Path(value).name if self._is_path else value)!r}".encode()

    def texts(self, rows: NDArray[np.integer]) -> list[Any]:
        """Text of rows of a column without codes, as arrays and words to be joined."""
        if self.column.kind is str and not self._is_later:
            values = self.column.taken(rows)
            if _is_plain(values):
                names = _names(values) if self._is_path else values
                return [arrow_word(f"{self._separator}'".encode()), names, arrow_word(b"'")]
        return [arrow_words(list(map(self._word, self.column.listed(rows))))]


class _Parts:
    """What columns side by side whose rows have codes add: each set of values that occurs is written once."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._known: dict[int, bytes] = {}

    def texts(self, rows: NDArray[np.integer]) -> list[Any]:
        """Text of rows, as arrays to be joined."""
        codes = np.zeros(len(rows), np.int64)
        for part in self._parts:
            assert part.column.codes is not None
            codes = codes * len(part.words) + part.column.codes[rows]
        sets = arrow_numbers(codes).dictionary_encode()
        words = arrow_words([self._text(number) for number in sets.dictionary.to_pylist()])
        return [words.take(sets.indices)]

    def _text(self, number: int) -> bytes:
        text, left = self._known.get(number), number
        if text is None:
            words = []
            for part in reversed(self._parts):
                left, code = divmod(left, len(part.words))
                words.append(part.words[code])
            self._known[number] = text = b"".join(reversed(words))
        return text


def _grouped(parts: Sequence[_Part]) -> list[_Part | _Parts]:
    """Columns with codes together where their values make few sets."""
    groups: list[_Part | _Parts] = []
    coded: list[_Part] = []
    for part in parts:
        if coded and math.prod(len(one.words) for one in (*coded, part)) > _AT_ONCE:
            groups.append(_Parts(coded))
            coded = []
        if part.column.codes is None:
            groups += [_Parts(coded)] if coded else []
            groups.append(part)
            coded = []
        else:
            coded.append(part)
    return [*groups, _Parts(coded)] if coded else groups


def _is_plain(values: pa.LargeBinaryArray) -> bool:
    """Whether texts are what ``repr`` makes of them between quotes, and names of files begin after their last /."""
    ends = word_ends(values)
    written = letters(values)[ends[0] : ends[-1]]
    if not _PLAIN[written].all():
        return False
    last = written[(ends[1:] - ends[0] - 1)[np.diff(ends) > 0]]
    return not ((last == ord("/")) | (last == ord("."))).any()


def _names(values: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    """What follows the last / of each text."""
    ends, written = word_ends(values), letters(values)
    slashes = np.append(-1, ends[0] + np.flatnonzero(written[ends[0] : ends[-1]] == ord("/")))
    starts = np.maximum(ends[:-1], slashes[np.searchsorted(slashes, ends[1:]) - 1] + 1)
    places = np.append(0, np.cumsum(ends[1:] - starts))
    kept = written[np.arange(places[-1]) + np.repeat(starts - places[:-1], np.diff(places))]
    return pa.Array.from_buffers(values.type, len(values), [None, pa.py_buffer(places), pa.py_buffer(kept)])
