"""Typed parsing of nested dataclass settings, with messages for people: the nearest key, what a value should be."""

import argparse
import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import ArgumentParser, get_loader, set_loader
from yaml import YAMLError

from vergence.data.structured import check_yaml
from vergence.errors import InputError

_load = get_loader("yaml")


def _checked(text: str) -> Any:
    """A setting's text as the parser reads it, once it is known to be small and shallow."""
    check_yaml(text, "a setting")
    return _load(text)


set_loader("yaml", _checked, (YAMLError,))


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


def check_keys(values: dict[str, Any], kind: type, origin: str, prefix: str = "") -> None:
    """InputError with the nearest known key for the first key that is no setting."""
    known = key_types(kind)
    for name, value in values.items():
        if name not in known:
            raise unknown_key(f"{prefix}{name}", kind if not prefix else None, list(known), prefix, origin)
        if dataclasses.is_dataclass(known[name]):
            if not isinstance(value, dict):
                raise InputError(f"{prefix}{name} in {origin} is {value!r}; it is a section with keys of its own.")
            check_keys(value, typing.cast(type, known[name]), origin, f"{prefix}{name}.")


def unknown_key(key: str, root: type | None, known: list[str], prefix: str, origin: str) -> InputError:
    """What to say about a key that is no setting; at the top level, its last part is sought in all sections."""
    near = difflib.get_close_matches(key[len(prefix) :], known, n=1, cutoff=0.5)
    found = [prefix + near[0]] if near else []
    if not found and root is not None:
        found = [full for full, _ in leaves(root) if full.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    where = f"{prefix[:-1]} has" if prefix else "there are"
    hint = f"did you mean {found[0]!r}?" if found else f"{where} {', '.join(known)}."
    return InputError(f"key {key!r} in {origin} is unknown; {hint}")


def parse(kind: type, values: dict[str, Any], overrides: Sequence[str], origin: str) -> dict[str, Any]:
    """Typed nested values: defaults, under ``values``, under command-line words.

    Raises:
        InputError: unknown key, or a value that is not of the key's type.
    """
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_class_arguments(kind)
    try:
        namespace = parser.parse_object(values)
    except argparse.ArgumentError as error:
        raise _wrong_value(error, kind, origin) from None
    for key, text in override_pairs(overrides, kind):
        try:
            namespace = parser.parse_args([f"--{key}={'null' if text == 'None' else text}"], namespace=namespace)
        except argparse.ArgumentError as error:
            raise _wrong_value(error, kind, "the command line", (key, text)) from None
    found = dict(namespace.as_dict())
    _check_finite(found, origin)
    return found


def _check_finite(values: Any, origin: str, key: str = "") -> None:
    if isinstance(values, dict | list | tuple):
        for name, value in values.items() if isinstance(values, dict) else enumerate(values):
            _check_finite(value, origin, f"{key}.{name}".lstrip("."))
    elif isinstance(values, float) and not math.isfinite(values):
        raise InputError(f"{key} is {values} in {origin} or on the command line; expected a finite number.")


def override_pairs(words: Sequence[str], kind: type) -> Iterator[tuple[str, str]]:
    """(key, text) of ``--key value`` and ``--key=value`` words; InputError for anything else or unknown keys."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise InputError(f"{word!r} belongs to no key; write settings as --section.key value.")
        key, equals, text = word[2:].partition("=")
        _check_path(key, kind)
        if not equals:
            if not rest or (rest[0].startswith("--") and rest[0] != "--"):
                if _type_of(key, kind) is not bool:
                    raise InputError(f"--{key} has no value{_expected(key, kind)}.")
                text = "true"
            else:
                text = rest.pop(0)
        yield key, text


def _check_path(key: str, kind: type) -> None:
    current: Any = kind
    for depth, part in enumerate(parts := key.split(".")):
        if not dataclasses.is_dataclass(current):
            if get_origin(current) is dict:
                return
            raise InputError(f"--{key}: {'.'.join(parts[:depth])} is a setting without keys of its own.")
        known = key_types(typing.cast(type, current))
        if part not in known:
            prefix = "".join(f"{step}." for step in parts[:depth])
            root = kind if depth == 0 else None
            raise unknown_key(".".join(parts[: depth + 1]), root, list(known), prefix, "the command line")
        current = known[part]


def _wrong_value(
    error: argparse.ArgumentError, kind: type, origin: str, pair: tuple[str, str] | None = None
) -> InputError:
    """One sentence out of jsonargparse's lines."""
    found = re.search(r'key "([^"]+)"', str(error))
    key = found.group(1) if found else (pair[0] if pair else "")
    given = re.search(r"(?:Got value|Given value): (.*)", str(error))
    value = pair[1] if pair else (given.group(1).strip() if given else "")
    if not key:
        first = " ".join(str(error).split())
        return InputError(f"{origin} cannot be used: {first}")
    return InputError(f"{key} is {value!r} in {origin}{_expected(key, kind)}.")


def _expected(key: str, kind: type) -> str:
    hint = _type_of(key, kind)
    return "" if hint is None else f"; expected {describe(hint)}"


def _type_of(key: str, kind: type) -> Any:
    """Type of a setting by full name; of a dictionary's key, the dictionary's."""
    return next((hint for full, hint in leaves(kind) if full == key or key.startswith(f"{full}.")), None)


def describe(hint: Any) -> str:
    """What a value of this type looks like, in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}" if len(args) > 1 else str(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(arg) for arg in args)
    if origin in (tuple, list):
        return f"a list such as [{describe(args[0])}, ...]"
    if origin is dict:
        return "keys with " + describe(args[1])
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a text", type(None): "null"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))
