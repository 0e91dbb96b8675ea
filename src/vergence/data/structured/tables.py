"""Lists of lines, numbers in lines, and CSV."""

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured.text import read_text
from vergence.data.structured.values import plain_number
from vergence.errors import InputError


def read_lines(path: Path | str, remedy: str = "correct it", kind: str = "list") -> list[str]:
    """Lines of a text file without their ends, whatever system wrote them; InputError as of ``read_text``."""
    return read_text(path, kind, remedy).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


_CSV = "write it as UTF-8 text with commas"


def read_csv(path: Path | str, remedy: str = _CSV) -> list[tuple[int, list[str]]]:
    """Line number and cells of each line that is not empty; InputError where quotes do not close, or as above."""
    return list(iter_csv(path, remedy))


def iter_csv(path: Path | str, remedy: str = _CSV) -> Iterator[tuple[int, list[str]]]:
    """The same, one line after the other."""
    reader = csv.reader(_ended_lines(read_text(path, "table", remedy)), strict=True, skipinitialspace=True)
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise InputError(f"{path} is no CSV (line {reader.line_num}: {error}); {remedy}.") from error


def _ended_lines(text: str) -> Iterator[str]:
    """Lines with their ends; io.StringIO would hold the text once more, four bytes a letter."""
    return (match[0] for match in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text))


def read_numbers(path: Path | str, columns: int | None = None, remedy: str = "correct it") -> NDArray[np.float64]:
    """Numbers (lines, columns) of a text file, separated by spaces or commas; lines that are empty or begin with # are
    left out.

    Args:
        columns: how many numbers a line must have; default as many as the first.

    Raises:
        InputError: no numbers, a word that is no finite number, lines of unlike length.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(path, remedy), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        row = [_finite(word, f"{path}, line {number}", remedy) for word in words]
        wanted = columns or len(rows[0] if rows else row)
        if len(row) != wanted:
            raise InputError(f"{path}, line {number} has {len(row)} numbers, expected {wanted}; {remedy}.")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no numbers; {remedy}.")
    return np.array(rows, dtype=np.float64)


def _finite(word: str, where: str, remedy: str) -> float:
    try:
        value = plain_number(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where} has {word[:40]!r}, expected a finite number; {remedy}.")
    return value
