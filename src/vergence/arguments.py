"""Words of a command line to arguments of functions: options made from signatures, mistakes told in one sentence.

The grammar is that of settings (:mod:`vergence.runs.overrides`), and a text means what the type of its parameter says
(:mod:`vergence.runs.schema`).
"""

import difflib
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from docstring_parser import DocstringStyle
from docstring_parser import parse as parse_docstring

from vergence.console import say
from vergence.errors import InputError
from vergence.runs.other_words import our_option
from vergence.runs.overrides import Text, read_words

OPTION_NAMES = {"family": "from", "format": "from"}
"""Options that are not called as the parameter, because Python has other plans with the word."""
REST = ("overrides", "options")
"""Parameters that take all keys that are no option: settings of a recipe, or a layout's own options."""
IN_PYTHON = ("progress", "callbacks", "started")
"""Parameters that are functions."""
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """A parameter of a function as the command line has it."""

    name: str
    """As Python calls it."""
    label: str
    """As people write it: ``--limit``; RUN where the place says which it is."""
    hint: Any
    """Type."""
    default: Any
    """REQUIRED where it must be given."""
    text: str
    """Meaning."""


def options_of(function: Callable[..., Any], positional: Sequence[str] = ()) -> list[Option]:
    """The parameters of a function, but those that no word gives."""
    texts = argument_texts(function)
    return [
        Option(
            name,
            name.upper() if name in positional else f"--{OPTION_NAMES.get(name, name)}",
            parameter.annotation,
            parameter.default,
            texts.get(name, ""),
        )
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in (*IN_PYTHON, *REST)
    ]


def parse(usage: str, function: Callable[..., Any], words: list[str], several: str = "") -> dict[str, Any]:
    """Arguments of a verb that were given, by name.

    Args:
        usage: what is positional stands before the first option.
        function: its parameters are the options; ``overrides`` or ``options`` takes what is none.
        several: the positional that may repeat.

    Raises:
        InputError: an unknown option, a value that is not of its type, a word too many, or something that is missing.
        SystemExit: help was asked for, and printed.
    """
    verb = " ".join(itertools.takewhile(lambda word: word.isalpha() and word.islower(), usage.split()))
    before = itertools.takewhile(lambda word: word[0] not in "-[", usage.removeprefix(verb).split())
    positional = [word.rstrip(".").lower() for word in before]
    options = options_of(function, positional)
    if asks_help(words):
        say(help_text(usage, summary(function), options))
        raise SystemExit(0)
    alone, pairs = read_words(words)
    rest = next((name for name in REST if name in inspect.signature(function).parameters), None)
    flags = {option.label for option in options}
    own = [(key, text) for key, text in pairs if rest is None or f"--{key}" in flags]
    given = read_options(verb, options, own)
    if rest is not None:
        given[rest] = {key: text for key, text in pairs if f"--{key}" not in flags}
    if len(alone) > len(positional) and not several:
        word = alone[len(positional)]
        raise InputError(
            f"{verb}: {word!r} is one word too many; write a list as one word in quotes, such as '[-1, 1]'."
        )
    given |= {several: alone} if several and alone else dict(zip(positional, alone, strict=False))
    missing = [option.label for option in options if option.default is REQUIRED and option.name not in given]
    if missing:
        raise InputError(f"{verb} needs {' and '.join(missing)}; usage: vergence {usage}")
    return given


def read_options(verb: str, options: Iterable[Option], pairs: Iterable[tuple[str, Text]]) -> dict[str, Any]:
    """Values of options by the names of their parameters; InputError for an unknown one, with the nearest."""
    from vergence.runs.schema import typed

    known = {option.label: option for option in options if option.label.startswith("--")}
    given = {}
    for key, text in pairs:
        option = known.get(f"--{key}")
        if option is None:
            near = difflib.get_close_matches(f"--{key}", [*known, "--help"], n=1, cutoff=0.5)
            if ours := our_option(key, list(known)):
                raise InputError(f"{verb} has no option --{key}; here it is {ours}.")
            hint = f"did you mean {near[0]}?" if near else f"see vergence {verb} --help."
            raise InputError(f"{verb} has no option --{key}; {hint}")
        given[option.name] = typed(text, option.hint, key, "the command line")
    return given


def asks_help(words: Sequence[str]) -> bool:
    return "--help" in words or "-h" in words


def help_text(usage: str, about: str, options: Sequence[Option], more: Mapping[str, str] | None = None) -> str:
    """Usage, summary, and each option with its meaning, type and default; ``more`` follows, meanings by label."""
    rows = {option.label: _meaning(option) for option in options} | dict(more or {})
    width = max(map(len, rows), default=0) + 4
    lines = (fill(text, 100, initial_indent=f"  {label}".ljust(width), subsequent_indent=" " * width)
             for label, text in rows.items())  # fmt: skip
    return "\n".join([f"usage: vergence {usage}", "", fill(about, 100), "", *lines])


def _meaning(option: Option) -> str:
    """What an option means, of which type it is, and what holds where it is not given."""
    from vergence.runs.schema import describe, shown

    if not option.label.startswith("--"):
        return option.text
    kind = describe(option.hint)
    if option.default is REQUIRED:
        return f"{option.text} ({kind}; required)"
    if option.default is None:
        return f"{option.text} ({kind.removesuffix(' or null')})"
    return f"{option.text} ({kind}; default {shown(option.default)})"


def summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").split("\n")[0]


def argument_texts(function: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> text of the docstring's Args section."""
    entries = parse_docstring(function.__doc__ or "", DocstringStyle.GOOGLE).params
    return {entry.arg_name: " ".join((entry.description or "").replace("``", "").split()) for entry in entries}
