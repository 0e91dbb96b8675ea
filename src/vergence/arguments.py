"""Words of a command line to arguments of functions: parsers made from signatures, mistakes told in one sentence."""

import argparse
import difflib
import inspect
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from vergence.errors import InputError

OPTION_NAMES = {"family": "from", "format": "from"}
"""Options that are not called as the parameter, because Python has other plans with the word."""


def parse(usage: str, function: Callable[..., Any], words: list[str], several: str = "") -> Namespace:
    """Arguments of a verb. What the usage shows before its first option is positional; ``several`` may repeat."""
    verb = " ".join(itertools.takewhile(str.islower, usage.split(" --")[0].split()))
    shown = usage.removeprefix(verb).split()
    parser = ArgumentParser(
        prog=f"vergence {verb}", description=summary(function), exit_on_error=False, allow_abbrev=False
    )
    parser.usage = f"vergence {usage}"
    positional = [word.rstrip(".").lower() for word in itertools.takewhile(lambda word: word[0] not in "-[", shown)]
    help_texts = argument_texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("progress", "overrides", "options"):
            continue
        text = help_texts.get(name, "")
        if name == several:
            parser.add_argument(name, nargs="+", help=text)
        elif name in positional:
            parser.add_argument(name, help=text)
        else:
            required = parameter.default is inspect.Parameter.empty
            default = {} if required else {"default": parameter.default}
            flag = f"--{OPTION_NAMES.get(name, name)}"
            parser.add_argument(flag, dest=name, type=parameter.annotation, required=required, help=text, **default)
    try:
        return parser.parse_args(with_values(parser, words))
    except argparse.ArgumentError as error:
        raise InputError(sentence(verb, parser, error)) from None


def summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").split("\n")[0]


def argument_texts(function: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> text of the docstring's Args section."""
    section = re.search(r"Args:\n(.*?)(?:\n\s*\n|\Z)", function.__doc__ or "", re.DOTALL)
    found = re.split(r"^ {8}(\w+): ", section.group(1) if section else "", flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(found[::2], found[1::2], strict=True)}


def with_values(parser: ArgumentParser, words: list[str]) -> list[str]:
    """A switch may stand without its value: ``--flip`` is ``--flip true``; numbers are checked as they are written."""
    switches = {
        word
        for action in parser._actions
        for word in action.option_strings
        if getattr(action, "_typehint", None) in (bool, bool | None)
    }
    numeric = {word for action in parser._actions for word in action.option_strings if _is_number(action)}
    filled: list[str] = []
    for place, word in enumerate(words):
        filled.append(word)
        name, given, value = word.partition("=")
        if name in numeric and (given or place + 1 < len(words)):
            _check_number(name, value if given else words[place + 1])
        if word in switches and (place + 1 == len(words) or words[place + 1].startswith("--")):
            filled.append("true")
    return filled


def _is_number(action: argparse.Action) -> bool:
    return getattr(action, "_typehint", None) in (int, float, int | None, float | None)


def _check_number(name: str, value: str) -> None:
    """InputError for what would be read as a number and is none of ours: not finite, other scripts' digits, 1_000."""
    try:
        plain = value.isascii() and "_" not in value and math.isfinite(float(value))
    except ValueError:  # the parser says what is wrong, but takes YAML's .nan
        plain = value.lower().lstrip("+-.") not in ("nan", "inf")
    if not plain:
        raise InputError(f"{name} cannot be {value!r}; give a finite number in plain digits.")


def sentence(verb: str, parser: ArgumentParser, error: argparse.ArgumentError) -> str:
    """One sentence out of a parser's complaint."""
    text = " ".join(str(error).split())
    unknown = re.search(r"unrecognized arguments: (\S+)", text)
    if unknown:
        flag = unknown.group(1).partition("=")[0]
        if not flag.startswith("--"):
            return f"{verb}: {flag!r} is one word too many; write a list as one word in quotes, such as '[-1, 1]'."
        options = [word for action in parser._actions for word in action.option_strings]
        near = difflib.get_close_matches(flag, options, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"see vergence {verb} --help."
        return f"{verb} has no option {flag}; {hint}"
    missing = re.search(r'(?:Key "(\w+)" is required|arguments are required: (.*))', text)
    if missing:
        names = (missing.group(1) or missing.group(2)).split(", ")
        flags = {action.dest: word for action in parser._actions for word in action.option_strings[:1]}
        return f"{verb} needs {' and '.join(flags.get(name, name.upper()) for name in names)}; usage: {parser.usage}"
    value = re.search(r'key "([\w.]+)".*?(?:Got value|Given value): (.*)', text)
    if value:
        return f"{verb} --{value.group(1)} cannot be {value.group(2)!r}; see vergence {verb} --help."
    return f"{verb}: {text}; usage: {parser.usage}"


def split_settings(words: list[str], own: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of the command itself, and the ``--key value`` words that are settings of a recipe."""
    kept: list[str] = []
    settings: list[str] = []
    target = kept
    for word in words:
        if word.startswith("--"):
            target = kept if word.partition("=")[0] in own else settings
        target.append(word)
        if (target is settings and len(settings) >= 2 and not word.startswith("--")) or "=" in word:
            target = kept
    return kept, settings


def take(words: list[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of a flag and the other words."""
    for place, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2], words[:place] + words[place + 1 :]
        if word == flag:
            if place + 1 == len(words) or words[place + 1].startswith("--"):
                raise InputError(f"{flag} has no value; write {flag} RUN.")
            return words[place + 1], words[:place] + words[place + 2 :]
    return None, words
