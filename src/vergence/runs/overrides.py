"""The one grammar of settings that somebody gives: words of a command line, or a mapping, to values by full name.

``--key value``, ``--key=value`` or, of a switch, ``--key`` alone; in Python ``{"train.steps": 100}`` or nested. What
the text of a word means is for the type of its setting to say (:mod:`vergence.runs.schema`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vergence.errors import InputError

Overrides = Mapping[str, Any] | Sequence[str]
"""Settings by full name, ``{"train.steps": 100}``, or as on the command line, ``["--train.steps", "100"]``."""


class Text(str):
    """A value as it was typed."""

    __slots__ = ()


class Switch(Text):
    """What stands for the value of a key without one: "true", where a switch may stand alone."""

    __slots__ = ()


def read_words(words: Sequence[str]) -> tuple[list[str], list[tuple[str, Text]]]:
    """Words that belong to no key, and (key, text) of the others, in their order."""
    alone: list[str] = []
    pairs: list[tuple[str, Text]] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("--"):
            alone.append(word)
            continue
        key, equals, text = word[2:].partition("=")
        if equals:
            pairs.append((key, Text(text)))
        elif index < len(words) and (words[index] == "--" or not words[index].startswith("--")):
            pairs.append((key, Text(words[index])))
            index += 1
        else:
            pairs.append((key, Switch("true")))
    return alone, pairs


def settings_of(overrides: Overrides) -> dict[str, Any]:
    """Values by full name; InputError for words that belong to no key."""
    if isinstance(overrides, Mapping):
        return dict(flattened(overrides))
    alone, pairs = read_words(overrides)
    if alone:
        raise InputError(f"{alone[0]!r} belongs to no key; write settings as --section.key value.")
    return dict(pairs)


def origin_of(overrides: Overrides) -> str:
    """Where people gave these, for messages."""
    typed = not isinstance(overrides, Mapping) or any(isinstance(value, Text) for value in overrides.values())
    return "the command line" if typed else "the overrides"


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by full name; of a section without keys, the empty section."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
