"""Typed settings: nested dataclasses from values by full name, with messages for people about what is wrong."""

import contextlib
import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from vergence.data.structured import parse_yaml, plain_number
from vergence.errors import InputError
from vergence.runs.migrations import renamed
from vergence.runs.other_words import our_setting
from vergence.runs.overrides import Switch, Text, flattened

T = TypeVar("T")
NULL = ("null", "~", "None")
"""Texts that stand for no value, where a setting may have none."""
SWITCHED = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Texts of a switch, in letters of any size."""


@cache
def key_types(kind: type) -> dict[str, Any]:
    """Field name -> type of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {entry.name: hints[entry.name] for entry in dataclasses.fields(kind) if entry.init}


def leaves(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Full keys of all settings ("train.steps") with their types."""
    for name, hint in key_types(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from leaves(typing.cast(type, hint), f"{prefix}{name}.")
        else:
            yield prefix + name, hint


def build(kind: type[T], *given: tuple[Mapping[str, Any], str]) -> T:
    """Settings of a type: its defaults, under the values given (nested or by full name), each with its origin.

    Raises:
        InputError: an unknown key, or a value that is not of the key's type, with the origin; a value that a dataclass
            refuses.
    """
    leaf_values: dict[str, Any] = {}
    for values, origin in given:
        for key, value in flattened(values):
            name, hint = find(kind, key, origin)
            if name == key and isinstance(value, Mapping) and not value:
                continue  # a section that says nothing
            if dataclasses.is_dataclass(hint):
                raise InputError(f"{key} in {origin} is {value!r}; it is a section with keys of its own.")
            if name == key:
                leaf_values[name] = typed(value, hint, key, origin)
            else:
                leaf_values.setdefault(name, {})[key[len(name) + 1 :]] = typed(value, get_args(hint)[1], key, origin)
    return typing.cast(T, _with(kind(), leaf_values))


def _with(default: Any, leaf_values: Mapping[str, Any], prefix: str = "") -> Any:
    """A dataclass with the values found by full name; sections innermost first."""
    changed = {}
    for name, hint in key_types(typing.cast(type, default.__class__)).items():
        if dataclasses.is_dataclass(hint):
            changed[name] = _with(getattr(default, name), leaf_values, f"{prefix}{name}.")
        elif prefix + name in leaf_values:
            changed[name] = leaf_values[prefix + name]
    return dataclasses.replace(default, **changed)


def find(kind: type, key: str, origin: str) -> tuple[str, Any]:
    """The setting (or section) that a key names, and its type; of a key in a dictionary, the dictionary.

    Raises:
        InputError: there is none, with the nearest.
    """
    current: Any = kind
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not dataclasses.is_dataclass(current):
            name = ".".join(parts[:depth])
            if get_origin(current) is dict:
                return name, current
            raise InputError(f"key {key!r} in {origin}: {name} is a setting without keys of its own.")
        known = key_types(typing.cast(type, current))
        if part not in known:
            prefix = "".join(f"{step}." for step in parts[:depth])
            root = kind if depth == 0 else None
            raise unknown_key(".".join(parts[: depth + 1]), root, list(known), prefix, origin)
        current = known[part]
    return key, current


def unknown_key(key: str, root: type | None, known: list[str], prefix: str, origin: str) -> InputError:
    """What to say about a key that is no setting; at the top level, its last part is sought in all sections."""
    if now := renamed(key):
        return InputError(f"key {key!r} in {origin} is called {now!r} now; write that.")
    if ours := our_setting(key):
        return InputError(f"key {key!r} in {origin} is unknown; here it is {ours}.")
    near = difflib.get_close_matches(key[len(prefix) :], known, n=1, cutoff=0.5)
    similar = [prefix + near[0]] if near else []
    if not similar and root is not None:
        similar = [full for full, _ in leaves(root) if full.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    where = f"{prefix[:-1]} has" if prefix else "there are"
    hint = f"did you mean {similar[0]!r}?" if similar else f"{where} {', '.join(known)}."
    return InputError(f"key {key!r} in {origin} is unknown; {hint}")


def typed(value: Any, hint: Any, key: str, origin: str) -> Any:
    """A value of a type, from a plain value or a text; InputError with what was expected."""
    if isinstance(value, Switch) and hint not in (bool, Any) and bool not in get_args(hint):
        raise InputError(f"--{key} has no value; expected {describe(hint)}.")
    try:
        parsed = _read(value, hint)
    except ValueError:
        shown = "null" if value is None else repr(value)
        raise InputError(f"{key} is {shown} in {origin}; expected {describe(hint)}.") from None
    if not _finite(parsed):
        raise InputError(f"{key} is {parsed} in {origin}; expected a finite number.")
    return parsed


def meaning(text: str) -> Any:
    """What a text means where no type says so: YAML's numbers, lists and words, and "None"."""
    if text in ("None", ""):
        return None if text else ""
    try:
        parsed = parse_yaml(str(text), "a setting", finite=False)
    except InputError:
        return str(text)
    if isinstance(parsed, str) and parsed[-1:].isdigit():  # 1e-3, which YAML takes for a text
        with contextlib.suppress(ValueError):
            return plain_number(parsed)
    return parsed if parsed is None or isinstance(parsed, int | float | str | list | dict) else str(text)


def _read(value: Any, hint: Any) -> Any:
    """A value of a type; ValueError where it is none."""
    kind, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return meaning(value) if isinstance(value, Text) else value
    if kind in (Union, types.UnionType):
        return _first(value, args)
    if kind is Literal:
        return _one_of(value, args)
    if kind in (tuple, list, Sequence, dict, Mapping):
        given = meaning(value) if isinstance(value, Text) else value
        return _mapping(given, args[1]) if kind in (dict, Mapping) else _items(given, kind, args)
    if hint not in _READERS:
        raise TypeError(f"there are no settings of type {hint}")
    return _READERS[hint](value)


def _first(value: Any, hints: tuple[Any, ...]) -> Any:
    """The first type that takes a value; a text for none is no text where there may be none."""
    if type(None) in hints and (value is None or (isinstance(value, str) and value in NULL)):
        return None
    for hint in hints:
        try:
            return _read(value, hint)
        except ValueError:
            continue
    raise ValueError


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    for one in choices:
        if (type(one) is type(value) and one == value) or (isinstance(value, Text) and str(one) == value):
            return one
    raise ValueError


def _mapping(value: Any, hint: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError
    return {str(key): _read(one, hint) for key, one in value.items()}


def _items(value: Any, kind: Any, args: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError
    hints = args if kind is tuple and args[-1] is not ... else (args[0],) * len(value)
    items = [_read(one, hint) for one, hint in zip(value, hints, strict=True)]
    return tuple(items) if kind is tuple else items


def _whole(value: Any) -> int:
    if isinstance(value, str):
        plain_number(value)
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    return value


def _real(value: Any) -> float:
    if isinstance(value, str):
        return plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _switch(value: Any) -> bool:
    switched = SWITCHED.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(switched, bool):
        raise ValueError
    return switched


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str(value)


def _path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _none(value: Any) -> None:
    raise ValueError  # where there may be none, it was taken before


_READERS = {int: _whole, float: _real, bool: _switch, str: _text, Path: _path, type(None): _none}


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def shown(value: Any) -> str:
    """A value as a recipe may have it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def describe(hint: Any) -> str:
    """What a value of this type looks like, in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        choices = [str(one) or '""' for one in args]
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    if origin in (Union, types.UnionType):
        return " or ".join(describe(arg) for arg in args if not (arg is str and Path in args))
    if origin is tuple and args[-1] is not ...:
        return f"a list [{', '.join(map(describe, args))}]"
    if origin in (tuple, list, Sequence):
        return f"a list such as [{describe(args[0])}, ...]"
    if origin in (dict, Mapping):
        return "keys with " + describe(args[1])
    words: dict[Any, str] = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    words |= {type(None): "null", Any: "any value", Path: "a path"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))
