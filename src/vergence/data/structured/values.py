"""Values of structured files, checked where they enter: type, range, and that numbers are finite."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from vergence.errors import InputError

_WORDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
MISSING = object()
"""Stands for no default: the entry must be there."""


def plain_number(text: str) -> float:
    """A number as programs write it; ValueError also for what Python would take: other scripts' digits, 1_000."""
    if not text.isascii() or "_" in text:
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


class Entry:
    """A value of a file with its place in it: ``Entry(path, read_json(path))["camera"]["fx"].number(above=0)``.

    Every check gives the value in its type or raises InputError, "FILE: camera.fx: expected a number greater than 0,
    found 'x'; REMEDY."
    """

    def __init__(self, file: Path | str, value: Any, key: str = "", remedy: str = "correct it") -> None:
        self.file, self.value, self.key, self.remedy = file, value, key, remedy

    @property
    def there(self) -> bool:
        """Whether the file has this entry and it is not null."""
        return self.value is not MISSING and self.value is not None

    def __getitem__(self, key: str | int) -> "Entry":
        """What an object has under a key, or a list at a place; an entry that is not there where it has none."""
        if isinstance(key, int):
            items = self.sequence()
            value = items[key] if -len(items) <= key < len(items) else MISSING
            return Entry(self.file, value, f"{self.key}[{key}]", self.remedy)
        return Entry(self.file, self.mapping().get(key, MISSING), f"{self.key}.{key}".lstrip("."), self.remedy)

    def __iter__(self) -> Iterator["Entry"]:
        """The entries of a list."""
        return (self[index] for index in range(len(self.sequence())))

    def items(self) -> Iterator[tuple[str, "Entry"]]:
        """Key and entry of an object."""
        return ((key, self[key]) for key in self.mapping())

    def mapping(self) -> dict[str, Any]:
        if not isinstance(self.value, dict) or any(not isinstance(key, str) for key in self.value):
            self.expected("an object")
        return self.value

    def sequence(self, length: int | None = None) -> list[Any]:
        if not isinstance(self.value, list) or (length is not None and len(self.value) != length):
            self.expected("a list" if length is None else f"a list of {length}")
        return self.value

    def text(self, default: Any = MISSING, of: Sequence[str] = ()) -> str:
        """A text; one of ``of`` where that is given."""
        if not self.there and default is not MISSING:
            return default
        if not isinstance(self.value, str) or (of and self.value not in of):
            self.expected(f"one of {', '.join(of)}" if of else "a text")
        return self.value

    def number(
        self, low: float = -math.inf, high: float = math.inf, above: float = -math.inf, default: Any = MISSING
    ) -> float:
        """A finite number, at least ``low``, at most ``high`` and greater than ``above``."""
        if not self.there and default is not MISSING:
            return default
        value = self.value
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or not low <= value <= high or not value > above:
            self.expected(f"a finite number{_range(low, high, above)}")
        return float(value)

    def whole(self, low: float = -math.inf, high: float = math.inf, default: Any = MISSING) -> int:
        """A whole number from ``low`` to ``high``; 3.0 is one."""
        if not self.there and default is not MISSING:
            return default
        value = self.value
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or value != int(value) or not low <= value <= high:
            self.expected(f"a whole number{_range(low, high, -math.inf)}")
        return int(value)

    def numbers(self, length: int | None = None) -> list[float]:
        """A list of finite numbers."""
        self.sequence(length)
        return [one.number() for one in self]

    def expected(self, what: str) -> NoReturn:
        """Raise InputError: what was expected here and what was found."""
        where = f"{self.file}: {self.key}" if self.key else f"{self.file}"
        actual = "nothing" if not self.there else _shown(self.value)
        raise InputError(f"{where}: expected {what}, found {actual}; {self.remedy}.")


def _shown(value: Any) -> str:
    text = f"{_WORDS[type(value)]} of {len(value)}" if isinstance(value, dict | list) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _range(low: float, high: float, above: float) -> str:
    words = [f"greater than {above:g}"] if math.isfinite(above) else []
    words += [f"at least {low:g}"] if math.isfinite(low) else []
    words += [f"at most {high:g}"] if math.isfinite(high) else []
    return " " + " and ".join(words) if words else ""
