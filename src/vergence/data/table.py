"""Manifest tables on disk: CSV and Parquet files as columns of checked values."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vergence.data.atomic import check_place, writing
from vergence.data.buckets.addresses import places
from vergence.data.buckets.remote import local
from vergence.data.rows.arrow_arrays import arrow_number, arrow_numbers, arrow_words, may_hold, numpy_numbers
from vergence.data.rows.columns import DEFAULTS, ColumnBuilder, numbers
from vergence.data.rows.frame_row import COLUMNS, PATH_COLUMNS, REQUIRED_COLUMNS, TYPES, FrameRow
from vergence.data.rows.frame_table import AT_ONCE, FrameTable
from vergence.data.structured import LIMITS, iter_csv, plain_number
from vergence.data.structured.text import MB
from vergence.errors import InputError, nearest

ROWS = 10_000_000
"""Most frames of a Parquet manifest: a few kilobytes can say that there are billions."""
_LONGEST = 1 << 16
_READ_AT_ONCE = 1 << 14
_WRITTEN_AT_ONCE = 1 << 16
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What other programs write between columns."""
_WORDS = {str: "text", int: "whole numbers", float: "numbers"}
_NUMBERS = (pa.types.is_integer, pa.types.is_floating)
_TESTS: dict[type, tuple[Any, ...]] = {
    str: (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
    int: _NUMBERS,
    float: (*_NUMBERS, pa.types.is_decimal),
}
"""Types of Arrow that may stand for a type of ours: a date is no position, a number no path."""


def read_table(path: Path) -> FrameTable:
    """Rows of a ``.parquet`` or ``.csv`` file; InputError where it is missing, broken or has wrong columns."""
    path = local(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; make a manifest with `vergence index` or give another path.")
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    raise InputError(f"{path} is no manifest: expected a file that ends in .parquet or .csv.")


def check_manifest_file(path: Path) -> None:
    """InputError where no manifest can be written of this name."""
    check_place(path, (".parquet", ".csv"))


def write_rows(path: Path, rows: Iterable[FrameRow]) -> None:
    """Write rows as Parquet or CSV, by suffix; the file is whole or not there."""
    check_manifest_file(path)
    remaining = iter(rows)
    pieces = iter(lambda: list(islice(remaining, _WRITTEN_AT_ONCE)), [])
    columns = ({name: [getattr(row, name) for row in piece] for name in COLUMNS} for piece in pieces)
    with writing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            schema = pa.schema([(name, _ARROW[TYPES[name]]) for name in COLUMNS])
            with pq.ParquetWriter(temporary, schema) as writer:
                for piece in columns:
                    arrays = [_stored(TYPES[name], values) for name, values in piece.items()]
                    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            return
        with temporary.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(COLUMNS)
            for piece in columns:
                lines.writerows(zip(*piece.values(), strict=True))


def _stored(kind: type, values: Sequence[Any]) -> pa.Array:
    if kind is str:
        return arrow_words([value.encode() for value in values]).cast(pa.string())
    return arrow_numbers(numbers(kind, values))


def _check_columns(names: Sequence[str], path: Path) -> None:
    for name in names:
        if name not in COLUMNS and (other := next((sign for sign in _SEPARATORS if sign in name), None)):
            raise InputError(f"{path} has {_SEPARATORS[other]} between its columns; write it as CSV with commas.")
        if name not in COLUMNS:
            raise InputError(
                f"{path} has an unknown column {name!r}{nearest(name, COLUMNS)}; the columns are {', '.join(COLUMNS)}."
            )
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        raise InputError(
            f"{path} lacks the column {missing[0]!r}; a manifest needs {', '.join(REQUIRED_COLUMNS)}, one row a frame."
        )
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(f"{path} has the column {doubled[0]!r} twice; keep one of them.")


def _read_csv(path: Path) -> FrameTable:
    lines = iter_csv(path)
    _, names = next(lines, (0, []))
    if not names:
        raise InputError(f"{path} is empty; its first line must name the columns.")
    _check_columns(names, path)
    builders = {name: ColumnBuilder(TYPES[name]) for name in names}
    count = 0
    while piece := list(islice(lines, AT_ONCE)):
        count += len(piece)
        for number, line in piece:
            if len(line) != len(names):
                raise InputError(f"{path}, line {number} has {len(line)} values for {len(names)} columns; correct it.")
        for k, (name, builder) in enumerate(builders.items()):
            values: dict[str, str | int | float] = {}
            for number, line in piece:
                if line[k] not in values:
                    values[line[k]] = _parse(name, line[k], f"{path}, line {number}")
            builder.add([values[line[k]] for _, line in piece])
    return FrameTable({name: builder.built() for name, builder in builders.items()}, count)


def _parse(name: str, text: str, where: str) -> str | int | float:
    kind = TYPES[name]
    text = text.strip()
    if "://" in text and name in PATH_COLUMNS:
        text = places([text], where)[0]
    try:
        if kind is str:
            if not text and name in REQUIRED_COLUMNS and name != "sequence":
                raise ValueError
            return text
        if not text and name != "position":
            return math.nan if kind is float else 0
        value = plain_number(text) if kind is float else int(text) if text.isascii() and "_" not in text else math.inf
        if math.isinf(value) or (not -(1 << 63) <= value < 1 << 63 and kind is int):
            raise ValueError
        return value
    except ValueError:
        expected = {str: "a path", int: "a whole number", float: "a number"}[kind]
        raise InputError(f"{where}: {name} is {text!r}, expected {expected}; correct the manifest.") from None


def _read_parquet(path: Path) -> FrameTable:
    builders: dict[str, ColumnBuilder] = {}
    count = 0
    try:
        for batch in _batches(path):
            count += batch.num_rows
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                builder = builders.setdefault(name, ColumnBuilder(TYPES[name]))
                cast = _cast(name, values, path)
                if sum(one.size for one in builders.values()) + _unpacked(cast, LIMITS["table"]) > LIMITS["table"]:
                    raise InputError(f"{path} unpacks into more than {LIMITS['table'] // MB} MB; make it again.")
                builder.add_arrow(cast)
    except (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({_reason(error)}); make it again.") from error
    return FrameTable({name: builder.built() for name, builder in builders.items()}, count)


def _unpacked(values: pa.Array, enough: int) -> int:
    """Bytes of an array whose words are written out, or any number below ``enough``."""
    if not pa.types.is_dictionary(values.type):
        return int(values.nbytes)
    if len(values) * _longest(values) < enough // 2:
        return 0
    return int(numpy_numbers(pc.binary_length(values.dictionary))[numpy_numbers(values.indices)].sum())


def _longest(values: pa.DictionaryArray) -> int:
    """Bytes of the longest word."""
    return pc.max(pc.binary_length(values.dictionary)).as_py() or 0


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Pieces of a Parquet file, the first perhaps empty; words stay references, so that few bytes mean few bytes."""
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _check_columns(names, path)
        if file.metadata.num_rows > ROWS:
            raise InputError(f"{path} has {file.metadata.num_rows} rows, more than {ROWS}; split it.")
        words = [name for name in names if TYPES[name] is str]
        schema = file.schema_arrow
    yield pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)
    with pq.ParquetFile(path, read_dictionary=words) as file:
        for batch in file.iter_batches(_READ_AT_ONCE):
            yield pa.RecordBatch.from_arrays([_used(column) for column in batch.columns], schema=batch.schema)


def _used(values: pa.Array) -> pa.Array:
    """A column whose dictionary, which has all that was read of a row group, ends and begins with words that occur."""
    if not pa.types.is_dictionary(values.type) or values.null_count == len(values):
        return values
    first, last = (value.as_py() for value in pc.min_max(values.indices).values())
    places = pc.subtract(values.indices, arrow_number(first, values.indices.type))
    return pa.DictionaryArray.from_arrays(places, values.dictionary.slice(first, last - first + 1))


def _cast(name: str, values: pa.Array, path: Path) -> pa.Array:
    """A column as its kind, words in a dictionary, without nulls."""
    kind, stored = TYPES[name], values.type
    if pa.types.is_dictionary(stored):
        stored = stored.value_type
        if kind is str and _longest(values) > _LONGEST and pc.max(pc.utf8_length(values.dictionary)).as_py() > _LONGEST:
            raise InputError(f"{path}: column {name!r} has a cell of more than {_LONGEST} letters; correct it.")
    if not pa.types.is_null(stored) and not any(test(stored) for test in _TESTS[kind]):
        raise InputError(f"{path}: column {name!r} must hold {_WORDS[kind]}, not {stored}; correct it.")
    try:
        cast = _words(values) if kind is str else values.cast(_ARROW[kind])
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name!r} must hold {_WORDS[kind]} ({_reason(error)}); correct it.") from error
    if values.null_count and name in ("image", "position"):
        raise InputError(f"{path}: column {name!r} has empty cells; every frame needs its {name}.")
    if name in PATH_COLUMNS and may_hold(cast.dictionary, b"://"):
        words = arrow_words([word.encode() for word in places(cast.dictionary.to_pylist(), f"{path}: column {name!r}")])
        cast = pa.DictionaryArray.from_arrays(cast.indices, words.cast(pa.string()))
    return cast if kind is str else cast.fill_null(arrow_number(DEFAULTS[kind], cast.type))


def _words(values: pa.Array) -> pa.DictionaryArray:
    """Text, of whichever type, as a dictionary of UTF-8; "" for nulls."""
    if not pa.types.is_dictionary(values.type):
        values = values.cast(pa.string()).dictionary_encode()
    words, places = values.dictionary.cast(pa.string()), values.indices
    if places.null_count:
        words = pa.concat_arrays([words, arrow_words([b""]).cast(pa.string())])
        places = places.fill_null(arrow_number(len(words) - 1, places.type))
    return pa.DictionaryArray.from_arrays(places, words)


def _reason(error: Exception) -> str:
    """What Arrow says, which may be several lines, as one."""
    return " ".join(str(error).split()) or type(error).__name__
