"""The command line: words to calls of :mod:`vergence.api`, results to lines, errors to one sentence."""

import argparse
import contextlib
import difflib
import inspect
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

import vergence
from vergence import api
from vergence.errors import InputError, Interrupted


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 (doctor found something broken), 2 (input), 130 or 143 (signals)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _messages():
            return _run(words)
    except InputError as error:
        return _fail(str(error), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away: nothing more to say
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}.", 2)
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)
    except SystemExit as stop:  # the parser has printed a help text
        return int(stop.code or 0)
    except Interrupted as stop:
        return _fail(str(stop), stop.exit_code)


def _fail(message: str, code: int) -> int:
    print(f"vergence: {message}", file=sys.stderr)
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"vergence {vergence.__version__}")
        return 0
    verb, rest = words[0], words[1:]
    if verb not in COMMANDS:
        near = difflib.get_close_matches(verb, COMMANDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
        raise InputError(f"there is no command {verb!r}; {hint}")
    return COMMANDS[verb](rest)


def _overview() -> str:
    lines = [f"Vergence {vergence.__version__}: depth from video, without labels.", "", "usage: vergence VERB ...", ""]
    lines += [f"  {verb:9} {_summary(getattr(api, verb))}" for verb in COMMANDS]
    return "\n".join([*lines, "", "vergence VERB --help tells more; each verb is also a function in vergence.api."])


# --- parsers from the signatures of the verbs -----------------------------------------------------------------------


def _parse(usage: str, function: Callable[..., Any], words: list[str], several: str = "") -> Namespace:
    """Arguments of a verb. What the usage shows before its first option is positional; ``several`` may repeat."""
    verb, *shown = usage.split()
    parser = ArgumentParser(
        prog=f"vergence {verb}", description=_summary(function), exit_on_error=False, allow_abbrev=False
    )
    parser.usage = f"vergence {usage}"
    positional = [word.rstrip(".").lower() for word in itertools.takewhile(lambda word: word[0] not in "-[", shown)]
    help_texts = _argument_texts(function)
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
            flag = "--from" if name == "family" else f"--{name}"
            parser.add_argument(flag, dest=name, type=parameter.annotation, required=required, help=text, **default)
    try:
        return parser.parse_args(_with_values(parser, words))
    except argparse.ArgumentError as error:
        raise InputError(_sentence(verb, parser, error)) from None


def _summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").split("\n")[0]


def _argument_texts(function: Callable[..., Any]) -> dict[str, str]:
    """Parameter -> text of the docstring's Args section."""
    section = re.search(r"Args:\n(.*?)(?:\n\s*\n|\Z)", function.__doc__ or "", re.DOTALL)
    found = re.split(r"^ {8}(\w+): ", section.group(1) if section else "", flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(found[::2], found[1::2], strict=True)}


def _with_values(parser: ArgumentParser, words: list[str]) -> list[str]:
    """A switch may stand without its value: ``--flip`` is ``--flip true``."""
    switches = {
        word
        for action in parser._actions
        for word in action.option_strings
        if getattr(action, "_typehint", None) in (bool, bool | None)
    }
    filled: list[str] = []
    for place, word in enumerate(words):
        filled.append(word)
        if word in switches and (place + 1 == len(words) or words[place + 1].startswith("--")):
            filled.append("true")
    return filled


def _sentence(verb: str, parser: ArgumentParser, error: argparse.ArgumentError) -> str:
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


# --- the verbs ------------------------------------------------------------------------------------------------------


def _settings(words: list[str], own: Sequence[str]) -> tuple[list[str], list[str]]:
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


def _train(words: list[str]) -> int:
    usage = "train RECIPE --out RUN [--data X] [--key value ...]"
    if "--help" in words or "-h" in words:
        print(
            f"usage: vergence {usage}\n       vergence train --resume RUN [--key value ...]\n\n{_summary(api.train)}\n"
        )
        texts = {**_argument_texts(api.train), "resume": "go on with this run from its newest checkpoint."}
        texts["--key value"] = f"{texts.pop('overrides')} Misspelt ones are errors that name the nearest."
        print("\n".join(f"  {name:12} {text}" for name, text in texts.items()))
        recipes = sorted(path.stem for path in (Path(vergence.__file__).parent / "recipes").glob("*.yaml"))
        print(f"\nrecipes: {', '.join(recipes)}")
        return 0
    own, settings = _settings(words, ("--out", "--data", "--resume"))
    resumed, own = _take(own, "--resume")
    if resumed is None:
        given = _parse(usage, api.train, own)
        run = api.train(given.recipe, given.out, given.data, settings)
    else:
        if own:
            raise InputError(f"--resume goes on with the recipe of the run; leave out {' '.join(own)}.")
        run = api.resume(resumed, settings)
    if _first_process():
        print(run)
    return 0


def _take(words: list[str], flag: str) -> tuple[str | None, list[str]]:
    """The value of a flag and the other words."""
    for place, word in enumerate(words):
        if word.startswith(f"{flag}="):
            return word.partition("=")[2], words[:place] + words[place + 1 :]
        if word == flag:
            if place + 1 == len(words) or words[place + 1].startswith("--"):
                raise InputError(f"{flag} has no value; write {flag} RUN.")
            return words[place + 1], words[:place] + words[place + 2 :]
    return None, words


def _resume(words: list[str]) -> int:
    own, settings = _settings(words, ("--run", "--help", "-h"))
    run = api.resume(_parse("resume RUN [--key value ...]", api.resume, own).run, settings)
    if _first_process():
        print(run)
    return 0


def _evaluate(words: list[str]) -> int:
    arguments = _parse("evaluate RUN --data MANIFEST [--protocol NAME] [--json FILE] [...]", api.evaluate, words)
    with _bar("evaluating") as progress:
        result = api.evaluate(**arguments.as_dict(), progress=progress)
    from rich.console import Console

    from vergence.engine.odometry import odometry_table
    from vergence.engine.scores import table

    console = Console(width=None if sys.stdout.isatty() else 140)
    if result["rows"]:
        console.print(table(result))
    if "odometry" in result:
        console.print(odometry_table(result["odometry"]))
    return 0


def _predict(words: list[str]) -> int:
    arguments = _parse("predict RUN INPUT --out DIR [...]", api.predict, words)
    with _bar("predicting") as progress:
        record = api.predict(**arguments.as_dict(), progress=progress)
    origin = "" if record["scale"] == record["unit"] else f" ({record['scale']})"
    print(f"{record['frames']} frames in {arguments.out}, depth {record['unit']}{origin}")
    return 0


def _report(words: list[str]) -> int:
    print(api.report(**_parse("report RUN [--out FILE] [--data X] [--images N]", api.report, words).as_dict()))
    return 0


def _scan(words: list[str]) -> int:
    arguments = _parse("scan INPUTS... [--max_pairs N] [--out MANIFEST] [--json FILE]", api.scan, words, "inputs")
    with _bar("scanning") as progress:
        found = api.scan(**arguments.as_dict(), progress=lambda done, total, name: progress(done, total))
    found.print()
    return 0


def _index(words: list[str]) -> int:
    if {"--help", "-h"} & set(words) and not words[0].startswith("-"):
        return _layout_help(words[0])
    own, extra = _settings(words, ("--out", "--help", "-h"))
    arguments = _parse("index LAYOUT ROOT --out MANIFEST [--option value ...]", api.index, own)
    manifest = api.index(arguments.layout, arguments.root, arguments.out, _layout_options(arguments.layout, extra))
    print(manifest.summary())
    return 0


def _layout_options(layout: str, words: list[str]) -> dict[str, Any]:
    """Typed options of a layout."""
    parser = _layout_parser(layout)
    try:
        given = parser.parse_args(_with_values(parser, words)).as_dict()
    except argparse.ArgumentError as error:
        raise InputError(_sentence(f"index {layout}", parser, error)) from None
    return {name: value for name, value in given.items() if any(w.partition("=")[0] == f"--{name}" for w in words)}


def _layout_parser(layout: str) -> ArgumentParser:
    from vergence.data.layouts import find_layout

    parser = ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    names = list(inspect.signature(find_layout(layout)).parameters)[1:]
    parser.add_function_arguments(find_layout(layout), skip={"root"})
    parser.usage = f"vergence index {layout} ROOT --out MANIFEST " + " ".join(f"[--{name} ...]" for name in names)
    return parser


def _layout_help(layout: str) -> int:
    """The options of a layout, with those of every layout."""
    parser = _layout_parser(layout)
    texts = _argument_texts(api.index)
    print(f"{parser.format_help()}\n  ROOT                  {texts['root']}\n  --out MANIFEST        {texts['out']}")
    return 0


def _convert(words: list[str]) -> int:
    print(api.convert(**_parse("convert WEIGHTS... --from FAMILY --out RUN", api.convert, words, "weights").as_dict()))
    return 0


def _doctor(words: list[str]) -> int:
    from rich.console import Console

    arguments = _parse("doctor [--out DIR]", api.doctor, words)
    checks = api.doctor(arguments.out)
    console = Console()
    for check in checks:
        mark, colour = {"ok": ("ok", "green"), "note": ("note", "yellow")}.get(check.status, ("BROKEN", "red"))
        console.print(f"[{colour}]{mark:>6}[/]  {check.name}: ", end="")
        console.print(check.text, markup=False, highlight=False, soft_wrap=True)
    return 1 if any(check.status == "broken" for check in checks) else 0


def _demo(words: list[str]) -> int:
    own, settings = _settings(words, ("--out", "--recipe", "--limit", "--help", "-h"))
    arguments = _parse("demo [--out DIR] [--recipe NAME] [--limit N] [--key value ...]", api.demo, own)
    with _bar("working") as progress:
        page = api.demo(arguments.out, arguments.recipe, settings, arguments.limit, progress)
    print(f"Open {page.resolve()} in a browser.")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "scan": _scan,
    "index": _index,
    "train": _train,
    "resume": _resume,
    "evaluate": _evaluate,
    "predict": _predict,
    "convert": _convert,
    "report": _report,
    "doctor": _doctor,
}


# --- what people see meanwhile --------------------------------------------------------------------------------------


class _Stderr(logging.StreamHandler[Any]):
    """Writes each message once, to what sys.stderr is at that moment: a progress bar replaces it meanwhile."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._said:
            self._said.add(message)
            super().emit(record)

    @property
    def stream(self) -> Any:
        return sys.stderr


def _first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """Lines of the package's log on stderr, of the first process only."""
    log = logging.getLogger("vergence")
    if not _first_process():
        yield
        return
    handler, level = _Stderr(), log.level
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextlib.contextmanager
def _bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A function (done, total): a bar on a terminal while there is work, a line every quarter elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bars: list[Progress] = []
    quarters = [0]

    def stop() -> None:
        while bars:
            bars.pop().stop()
        quarters[0] = 0

    def show(done: int, total: int) -> None:
        if console.is_terminal:
            if not bars:
                bars.append(Progress(console=console, transient=True))
                bars[0].add_task(text, total=total)
                bars[0].start()
            bars[0].update(bars[0].task_ids[0], completed=done, total=total)
        elif 4 * done // max(total, 1) > quarters[0]:
            quarters[0] = 4 * done // max(total, 1)
            print(f"{text}: {done} of {total}", file=sys.stderr, flush=True)
        if done >= total:
            stop()

    try:
        yield show
    finally:
        stop()
