"""YAML: settings of people, with aliases only as far as they stay small."""

import math
from pathlib import Path
from typing import Any

import yaml

from vergence.data.structured.text import read_text
from vergence.errors import InputError

DEPTH = 32
EXPANDED = 100_000
"""Values that a file may mean after its aliases are written out."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is some ten times faster


def read_yaml(path: Path | str, remedy: str = "correct it", finite: bool = True) -> Any:
    """The value of a YAML file, None where it is empty; the rest as :func:`parse_yaml`."""
    return parse_yaml(read_text(path, "yaml", remedy), path, remedy, finite)


def parse_yaml(text: str, origin: Path | str, remedy: str = "correct it", finite: bool = True) -> Any:
    """The value of a YAML text of one document.

    Args:
        origin: names the file in messages.
        finite: refuse ``.nan`` and ``.inf``.

    Raises:
        InputError: no YAML (with the line), a key twice in one section, nested too deep, aliases that mean too much or
            themselves, tags of objects, numbers that are not finite.
    """
    try:
        _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _expanded(node, {})
            value = loader.construct_document(node)
        finally:
            loader.dispose()
        _check_numbers(value, finite)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{origin} is no YAML{where} ({reason}); {remedy}.") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{origin} is no YAML that can be used ({reason}); {remedy}.") from error
    return value


def _check_depth(text: str) -> None:
    """Before anything is built: composing nodes is recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                raise ValueError(f"line {event.start_mark.line + 1} is nested deeper than {DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values a node means with aliases written out; ValueError where that is too many, or never ends."""
    known = sizes.get(id(node))
    if known == 0:
        raise ValueError(f"line {node.start_mark.line + 1} contains itself by an alias")
    if known is not None:
        return known
    sizes[id(node)] = 0
    total = 1
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        total += sum(_expanded(one, sizes) for pair in node.value for one in pair)
    elif isinstance(node, yaml.SequenceNode):
        total += sum(_expanded(one, sizes) for one in node.value)
    if total > EXPANDED:
        raise ValueError(f"line {node.start_mark.line + 1} means more than {EXPANDED} values with its aliases")
    sizes[id(node)] = total
    return total


def _check_keys(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in seen and key.value != "<<":
                raise ValueError(f"line {key.start_mark.line + 1} has the key {key.value!r} a second time")
            seen.add((key.tag, key.value))


def _check_numbers(value: Any, finite: bool) -> None:
    if isinstance(value, dict):
        for key, one in value.items():
            _check_numbers(key, finite)
            _check_numbers(one, finite)
    elif isinstance(value, list | tuple | set):
        for one in value:
            _check_numbers(one, finite)
    elif finite and isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise ValueError("a number has more than 63 bits")
