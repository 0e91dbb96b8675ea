"""JSON, whole or one object a line."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vergence.data.structured.text import iter_lines, read_bytes, read_text
from vergence.errors import InputError

DEPTH = 64
_LARGEST = 1 << 63


def read_json(
    path: Path | str, kind: str = "json", remedy: str = "correct it", finite: bool = True, depth: int = DEPTH
) -> Any:
    """The value of a JSON file, of a size by its ``kind``; the rest as :func:`parse_json`."""
    return parse_json(read_text(path, kind, remedy), path, remedy, finite, depth)


def parse_json(
    text: str, origin: Path | str, remedy: str = "correct it", finite: bool = True, depth: int = DEPTH
) -> Any:
    """The value of a JSON text.

    Args:
        origin: names the file in messages.
        finite: refuse NaN, Infinity and whole numbers of more than 63 bits.
        depth: lists and objects within one another.

    Raises:
        InputError: no JSON (with line and column), a key twice in one object, nested too deep, a number that is not

    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refused if finite else None)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{origin} is no JSON ({where}: {error.msg}); {remedy}.") from error
    except ValueError as error:
        raise InputError(f"{origin} is no JSON that can be used ({error}); {remedy}.") from error
    except RecursionError:
        raise InputError(f"{origin} is nested deeper than {depth} levels; {remedy}.") from None
    _check(value, origin, remedy, finite, depth)
    return value


def read_json_lines(path: Path | str, remedy: str = "restore it") -> list[dict[str, Any]]:
    """Objects of a log (``metrics.jsonl``); lines that are torn or no object are left out. NaN is allowed.

    InputError where the file cannot be read or is larger than a log may be; bytes that are no UTF-8 cost their line
    only.
    """
    return list(_objects(read_bytes(path, "log", remedy).splitlines(), path))


def iter_json_lines(path: Path | str, remedy: str = "restore it") -> Iterator[dict[str, Any]]:
    """The same, one after the other, of a file of any size."""
    return _objects(iter_lines(path, "json", remedy), path)


def _objects(lines: Iterable[bytes], path: Path | str) -> Iterator[dict[str, Any]]:
    for line in lines:
        text = line.decode("utf-8-sig", errors="replace")
        if text.startswith("{"):
            try:
                value = parse_json(text, path, finite=False)
            except InputError:
                continue
            yield value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {doubled!r} stands twice in one object")
    return values


def _refused(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _check(value: Any, origin: Path | str, remedy: str, finite: bool, depth: int) -> None:
    """Level by level, so that depth costs no recursion."""
    level: list[Any] = [value]
    for _ in range(depth + 1):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict | list):
                inner += one.values() if isinstance(one, dict) else one
        _check_numbers(level, origin, remedy, finite)
        if not inner:
            return
        level = inner
    raise InputError(f"{origin} is nested deeper than {depth} levels; {remedy}.")


def _check_numbers(values: Iterable[Any], origin: Path | str, remedy: str, finite: bool) -> None:
    for value in values:
        if (finite and type(value) is float and not math.isfinite(value)) or (
            finite and type(value) is int and not -_LARGEST <= value < _LARGEST
        ):
            raise InputError(f"{origin} has a number that is too large to be used; {remedy}.")
