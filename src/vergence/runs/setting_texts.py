"""What settings mean: the docstrings of their fields, for ``train RECIPE --help`` and the page of all settings."""

import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from textwrap import fill
from typing import Any

from docstring_parser import parse_from_object

from vergence.runs.config import RunConfig
from vergence.runs.migrations import SHARED
from vergence.runs.schema import describe, key_types, shown

_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a recipe."""

    key: str
    """Full name, such as "train.steps"."""
    hint: Any
    """Type."""
    value: Any
    """Its default, or what a recipe says."""
    text: str
    """Meaning, with code between single backticks."""


@dataclasses.dataclass(frozen=True)
class Section:
    """Settings that stand beside one another in a recipe; sections within it are sections of their own."""

    name: str
    """Full name, such as "frames.options"."""
    kind: type
    """Dataclass of the settings."""
    text: str
    settings: tuple[Setting, ...]


def sections(values: Any, name: str = "", text: str = "", without: tuple[str, ...] = ()) -> Iterator[Section]:
    """A dataclass of settings with the sections in it, outermost first.

    Args:
        name: full name of the section; "" for the top of a recipe.
        text: what it is; the docstring of the dataclass where there is none.
        without: names of sections in it that are left out.
    """
    kind: Any = type(values)
    prefix = f"{name}." if name else ""
    leaves, inner = [], []
    for key, hint in key_types(kind).items():
        if not dataclasses.is_dataclass(hint):
            leaves.append(Setting(prefix + key, hint, getattr(values, key), field_text(kind, key)))
        elif key not in without:
            inner.append((getattr(values, key), prefix + key, field_text(kind, key)))
    yield Section(name, kind, text or _plain(kind.__doc__ or ""), tuple(leaves))
    for section in inner:
        yield from sections(*section)


def run_sections(config: RunConfig) -> Iterator[Section]:
    """All sections of a recipe as it is written: network and pose network before the method's own."""
    yield from sections(config, without=(config.method,))
    for name in SHARED:
        if hasattr(config.section, name):
            yield from sections(getattr(config.section, name), name)
    yield from sections(config.section, config.method, without=SHARED)


def field_text(kind: type, name: str) -> str:
    """The docstring of a field, of the class that says it last; "" where none does."""
    return next((texts[name] for base in kind.__mro__ if name in (texts := _texts(base))), "")


def listed(settings: Iterator[Section]) -> str:
    """Settings with values and meanings as lines for a terminal; those at the top of a recipe are no options."""
    lines = []
    for section in settings:
        lines += ["", f"{section.name}: {section.text.split(chr(10))[0]}"] if section.name else []
        for setting in section.settings if section.name else ():
            lines.append(f"  --{setting.key} {shown(setting.value)}")
            text = f"{setting.text} ({describe(setting.hint)})"
            lines.append(fill(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 6))
    return "\n".join(lines)


@cache
def _texts(kind: type) -> dict[str, str]:
    """Field -> docstring, of the fields in a class's own body."""
    try:
        entries = parse_from_object(kind).params
    except (OSError, TypeError):  # made while the program runs, or its source is not there
        return {}
    return {entry.arg_name: " ".join(_plain(entry.description).split()) for entry in entries if entry.description}


def _plain(text: str) -> str:
    """Paragraphs as single lines, names of code between single backticks."""
    text = _ROLE.sub(r"`\1`", text).replace("``", "`")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
