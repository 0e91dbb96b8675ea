"""Manifest tables on disk: CSV and Parquet files as columns of checked values."""

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vergence.data.atomic import writing
from vergence.data.frame_row import COLUMNS, REQUIRED_COLUMNS, TYPES, FrameRow
from vergence.data.structured import LIMITS, plain_number, read_csv
from vergence.data.structured.text import MB
from vergence.errors import InputError, nearest

ROWS = 10_000_000
"""Most frames of a Parquet manifest: a few kilobytes can say that there are billions."""
_LONGEST = 1 << 16
_ROWS_AT_ONCE = 1024
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_WORDS = {str: "text", int: "whole numbers", float: "numbers"}
_NUMBERS = (pa.types.is_integer, pa.types.is_floating)
_TESTS: dict[type, tuple[Any, ...]] = {
    str: (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
    int: _NUMBERS,
    float: (*_NUMBERS, pa.types.is_decimal),
}
"""Types of Arrow that may stand for a type of ours: a date is no position, a number no path."""


def read_rows(path: Path) -> list[FrameRow]:
    """Rows of a ``.parquet`` or ``.csv`` file; InputError where it is missing, broken or has wrong columns."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; make a manifest with `vergence index` or give another path.")
    if path.suffix == ".csv":
        columns = _read_csv(path)
    elif path.suffix == ".parquet":
        columns = _read_parquet(path)
    else:
        raise InputError(f"{path} is no manifest: expected a file that ends in .parquet or .csv.")
    names = list(columns)
    return [FrameRow(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)]


def write_rows(path: Path, rows: Sequence[FrameRow]) -> None:
    """Write rows as Parquet or CSV, by suffix; the file is whole or not there."""
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"{path} must end in .parquet or .csv to be written as a manifest.")
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    with writing(path) as temporary:
        if path.suffix == ".parquet":
            schema = pa.schema([(name, _ARROW[TYPES[name]]) for name in COLUMNS])
            pq.write_table(pa.table(columns, schema=schema), temporary)
            return
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(zip(*columns.values(), strict=True))


def _check_columns(names: Sequence[str], path: Path) -> None:
    for name in names:
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


def _read_csv(path: Path) -> Mapping[str, list[Any]]:
    lines = read_csv(path)
    if not lines:
        raise InputError(f"{path} is empty; its first line must name the columns.")
    (_, names), body = lines[0], lines[1:]
    _check_columns(names, path)
    for number, line in body:
        if len(line) != len(names):
            raise InputError(f"{path}, line {number} has {len(line)} values for {len(names)} columns; correct it.")
    return {
        name: [_parse(name, line[k], f"{path}, line {number}") for number, line in body] for k, name in enumerate(names)
    }


def _parse(name: str, text: str, where: str) -> str | int | float:
    kind = TYPES[name]
    text = text.strip()
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


def _read_parquet(path: Path) -> Mapping[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    size = 0
    try:
        for batch in _batches(path):
            size += batch.nbytes
            if size > LIMITS["table"]:
                raise InputError(f"{path} unpacks into more than {LIMITS['table'] // MB} MB; make it again.")
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                columns.setdefault(name, []).extend(_cast(name, values, path))
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({_reason(error)}); make it again.") from error
    return columns


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
        yield from file.iter_batches(_ROWS_AT_ONCE)


def _cast(name: str, values: pa.Array, path: Path) -> list[Any]:
    kind, stored = TYPES[name], values.type
    if pa.types.is_dictionary(stored):
        stored = stored.value_type
        if kind is str and max((len(word) for word in values.dictionary.to_pylist() if word), default=0) > _LONGEST:
            raise InputError(f"{path}: column {name!r} has a cell of more than {_LONGEST} letters; correct it.")
    if not pa.types.is_null(stored) and not any(test(stored) for test in _TESTS[kind]):
        raise InputError(f"{path}: column {name!r} must hold {_WORDS[kind]}, not {stored}; correct it.")
    try:
        listed = values.cast(_ARROW[kind]).to_pylist()
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name!r} must hold {_WORDS[kind]} ({_reason(error)}); correct it.") from error
    if None in listed and name in ("image", "position"):
        raise InputError(f"{path}: column {name!r} has empty cells; every frame needs its {name}.")
    empty: Any = {str: "", int: 0, float: math.nan}[kind]
    return [empty if value is None else value for value in listed]


def _reason(error: Exception) -> str:
    """What Arrow says, which may be several lines, as one."""
    return " ".join(str(error).split()) or type(error).__name__
