"""The command line: words to calls of :mod:`vergence.api`, results to lines, errors to one sentence."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import vergence
from vergence import api
from vergence.arguments import Option, asks_help, help_text, options_of, parse, read_options, summary
from vergence.console import bar, first_process, messages, plain_console, say
from vergence.errors import InputError, Interrupted, first_line, is_lack_of_memory, printable
from vergence.importing import uncollected_imports
from vergence.runs.other_words import our_verb
from vergence.runs.overrides import Switch, read_words


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code: 0, 1 (doctor: something is broken), 2 (input), 130, 141 or 143 (signals)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with messages(), uncollected_imports():
            return _run(words)
    except InputError as error:
        return _fail(str(error), 2)
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return _fail(_NO_MEMORY.format(first_line(error)), 2)
    except BrokenPipeError:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)  # the reader went away: nothing more to say
        return _CLOSED
    except OSError as error:
        prefix = f"{error.filename}: " if error.filename else ""
        return _fail(f"{prefix}{error.strerror or error}.", 2)
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)
    except SystemExit as stop:  # the parser has printed a help text
        return int(stop.code or 0)
    except Interrupted as stop:
        return _fail(str(stop), stop.exit_code)


_CLOSED = 141
"""What a shell says of a program that SIGPIPE ended: the work may not be done."""
_NO_MEMORY = (
    "there is not enough memory ({}); take fewer frames at once (--batch_size, for training --frames.batch_size), "
    "then give the same command again, of a training with --resume: what was done stays."
)


def _fail(message: str, code: int) -> int:
    message = re.sub(r"\S{400,}", lambda match: f"{match[0][:100]}...{match[0][-20:]}", message)  # of hostile files
    print(printable(f"vergence: {message}"), file=sys.stderr)
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        say(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        say(f"vergence {vergence.__version__}")
        return 0
    if any("\0" in word for word in words):
        raise InputError("a word of the command has a zero byte; no name of a file and no value may have one.")
    verb, arguments = words[0], words[1:]
    if verb not in COMMANDS:
        if ours := our_verb(verb):
            raise InputError(f"there is no command {verb!r}; here it is vergence {ours}.")
        near = difflib.get_close_matches(verb, COMMANDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
        raise InputError(f"there is no command {verb!r}; {hint}")
    return COMMANDS[verb](arguments)


def _overview() -> str:
    purpose = "depth and semantics from video and a handful of labels"
    lines = [f"Vergence {vergence.__version__}: {purpose}.", "", "usage: vergence VERB ...", ""]
    for verb in COMMANDS:
        lines += [f"  {words:16}  {summary(function)}" for words, function in functions(verb).items()]
    return "\n".join([*lines, "", "vergence VERB --help tells more; each verb is also a function in vergence.api."])


def functions(verb: str) -> dict[str, Callable[..., Any]]:
    """The functions of a verb by the words that call them: one, or one for each of its sub-verbs."""
    if verb in SUB_VERBS:
        return {f"{verb} {word}": getattr(api, f"{verb}_{word}") for word in SUB_VERBS[verb]}
    return {verb: getattr(api, verb)}


def _train(words: list[str]) -> int:
    usage = "train RECIPE --out RUN [--data X] [--key value ...]"
    if asks_help(words):
        return _train_help(usage) if words[0].startswith("-") else _recipes(words[:1])
    alone, pairs = read_words(words)
    settings = dict(pairs)
    resumed = settings.pop("resume", None)
    if resumed is None:
        run = api.train(**parse(usage, api.train, words))
    else:
        if isinstance(resumed, Switch):
            raise InputError("--resume has no value; write --resume RUN.")
        if own := [*alone, *(f"--{name}" for name in ("out", "data") if name in settings)]:
            raise InputError(f"--resume goes on with the recipe of the run; leave out {' '.join(own)}.")
        run = api.resume(str(resumed), settings)
    if first_process():
        say(run)
    return 0


def _train_help(usage: str) -> int:
    """What the verb takes, and where the recipes are listed."""
    more = {
        "--resume": "go on with this run from its newest checkpoint.",
        "--key value": "settings that differ from the recipe's. Misspelt ones are errors that name the nearest.",
    }
    usages = f"{usage}\n       vergence train --resume RUN [--key value ...]"
    say(help_text(usages, summary(api.train), options_of(api.train, ["recipe"]), more))
    say("\nvergence recipes lists them with what they do and need, vergence recipes NAME all settings of one.")
    return 0


def _recipes(words: list[str]) -> int:
    say("\n".join(api.recipes(**parse("recipes NAME", api.recipes, words))))
    return 0


def _resume(words: list[str]) -> int:
    run = api.resume(**parse("resume RUN [--key value ...]", api.resume, words))
    if first_process():
        say(run)
    return 0


def _evaluate(words: list[str]) -> int:
    arguments = parse("evaluate RUN --data MANIFEST [--protocol NAME] [--json FILE] [...]", api.evaluate, words)
    with bar("evaluating") as progress:
        result = api.evaluate(**arguments, progress=progress)
    if "shard" in result:
        say(f"shard {result['shard']}: {result['images']} images")
        return 0
    from vergence.evaluation.console_tables import tables

    console = plain_console(None if sys.stdout.isatty() else 140)
    for table in tables(result):
        console.print(table)
    return 0


def _predict(words: list[str]) -> int:
    arguments = parse("predict RUN INPUT --out DIR [...]", api.predict, words)
    with bar("predicting") as progress:
        record = api.predict(**arguments, progress=progress)
    from vergence.inference.predict import summary

    say(f"{arguments['out']}: {summary(record)}")
    return 0


def _export(words: list[str]) -> int:
    arguments = parse("export RUN --to onnx|torch|openvino --out FILE [...]", api.export, words)
    record = api.export(**arguments)
    from vergence.exporting.export import summary

    say(f"{arguments['out']}: {summary(record)}")
    return 0


def _serve(words: list[str]) -> int:
    def started(address: str) -> None:
        say(f"{arguments['run']}: {address} (interface: {address}/docs); Ctrl-C ends it")
        sys.stdout.flush()

    arguments = parse("serve RUN [--port N] [--page false] [--label_studio URL] [...]", api.serve, words)
    api.serve(**arguments, started=started)
    return 0


def _report(words: list[str]) -> int:
    say(api.report(**parse("report RUN... [--out FILE] [--data X] [--images N]", api.report, words, "run")))
    return 0


def _scan(words: list[str]) -> int:
    arguments = parse("scan INPUTS... [--max_pairs N] [--out MANIFEST] [--json FILE] [...]", api.scan, words, "inputs")
    with bar("scanning") as progress:
        report = api.scan(**arguments, progress=lambda done, total, name: progress(done, total))
    report.print(plain_console())
    return 0


def _index(words: list[str]) -> int:
    if asks_help(words) and not words[0].startswith("-"):
        return _layout_help(words[0])
    arguments = parse("index LAYOUT ROOT --out MANIFEST [--option value ...]", api.index, words)
    layout = arguments["layout"]
    arguments["options"] = read_options(f"index {layout}", _layout_options(layout), arguments["options"].items())
    say(api.index(**arguments).summary())
    return 0


def _layout_options(layout: str) -> list[Option]:
    from vergence.data.layouts import find_layout

    return options_of(find_layout(layout))[1:]


def _layout_help(layout: str) -> int:
    """The options of a layout, with those of every layout."""
    from vergence.data.layouts import find_layout

    common = [option for option in options_of(api.index, ["layout", "root"]) if option.name != "layout"]
    usage = f"index {layout} ROOT --out MANIFEST [--option value ...]"
    say(help_text(usage, summary(find_layout(layout)), [*common, *_layout_options(layout)]))
    return 0


def _convert(words: list[str]) -> int:
    say(api.convert(**parse("convert WEIGHTS... --from FAMILY --out RUN", api.convert, words, "weights")))
    return 0


def _select(words: list[str]) -> int:
    usage = "select RUN --data MANIFEST --count N --out DIR [--criterion NAME] [...] [--key value ...]"
    arguments = parse(usage, api.select, words)
    with bar("selecting") as progress:
        selection = api.select(**arguments, progress=progress)
    if "frames" in selection:
        page = f"{str(arguments['out']).rstrip('/')}/selection.html"
        aside = f" and {len(selection['val'])} set aside as split val" if selection["val"] else ""
        chosen = f"{selection['count']} of {selection['of']} frames chosen by {selection['criterion']}{aside}"
        say(f"{arguments['out']}: {chosen}; see {page}")
    else:
        first, last = selection["features"]
        shard = f"shard {selection['shard']}, features of frames {first} to {last} of {selection['of']}"
        say(f"{arguments['out']}: {shard}")
    return 0


def _labels(words: list[str]) -> int:
    known = SUB_VERBS["labels"]
    if not words or words[0] in ("-h", "--help"):
        say("\n".join(f"vergence {usage}\n    {summary(api_function)}" for usage, api_function in _labels_usages()))
        if not words:
            raise InputError(f"labels needs a second word: {', '.join(known)}; see vergence labels --help.")
        return 0
    if words[0] not in known:
        near = difflib.get_close_matches(words[0], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
        raise InputError(f"there is no command labels {words[0]!r}; {hint}")
    usage, function = _labels_usages()[known.index(words[0])]
    arguments = parse(usage, function, words[1:])
    with bar(_LABEL_WORK[words[0]]) as progress:
        result = function(**arguments, progress=progress)
    say(_labels_done(words[0], arguments, result))
    return 0


def _labels_done(word: str, arguments: dict[str, Any], result: Any) -> str:
    """What became of a verb about labels."""
    if word in ("import", "pull"):
        return str(result)
    if word == "propagate":
        from vergence.propagation.propagate import summary as propagated

        return f"{arguments['out']}: {propagated(result)}"
    kinds = f"{result['labels']} with labels, {result['predictions']} with predictions"
    if word == "export":
        return f"{result['frames']} frames in {arguments['out']}: {kinds}"
    sent = result["frames"] - result["before"]
    return f"{sent} frames sent to {arguments['to']}: {kinds}; there before: {result['before']}"


def _labels_usages() -> list[tuple[str, Callable[..., Any]]]:
    return [
        ("labels export MANIFEST --to cvat|label_studio|coco|png --out DIR [--run RUN] [...]", api.labels_export),
        ("labels import SOURCE --data MANIFEST --out MANIFEST [--from FORMAT] [...]", api.labels_import),
        (
            "labels propagate MANIFEST --out MANIFEST [--run RUN] [--motion auto|flow|geometry] [...]",
            api.labels_propagate,
        ),
        ("labels push MANIFEST --to cvat|label_studio --url URL [--project NAME] [--run RUN] [...]", api.labels_push),
        (
            "labels pull --from cvat|label_studio --url URL --project NAME --data MANIFEST --out MANIFEST [...]",
            api.labels_pull,
        ),
    ]


def _doctor(words: list[str]) -> int:
    from rich.text import Text

    arguments = parse("doctor [--out DIR]", api.doctor, words)
    checks = api.doctor(**arguments)
    console = plain_console()
    for check in checks:
        mark, colour = {"ok": ("ok", "green"), "note": ("note", "yellow")}.get(check.status, ("BROKEN", "red"))
        line = Text.assemble((f"{mark:>6}", colour), f"  {check.name}: {printable(check.text)}")
        console.print(line, soft_wrap=True)
    return 1 if any(check.status == "broken" for check in checks) else 0


def _demo(words: list[str]) -> int:
    usage = "demo [--out DIR] [--recipe NAME] [--labels N] [--label_steps N] [--limit N] [--key value ...]"
    arguments = parse(usage, api.demo, words)
    with bar("working") as progress:
        page = api.demo(**arguments, progress=progress)
    say(f"Open {page.resolve()} in a browser.")
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "demo": _demo,
    "scan": _scan,
    "index": _index,
    "train": _train,
    "recipes": _recipes,
    "resume": _resume,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "serve": _serve,
    "select": _select,
    "labels": _labels,
    "convert": _convert,
    "report": _report,
    "doctor": _doctor,
}

SUB_VERBS = {"labels": ("export", "import", "propagate", "push", "pull")}
"""Verbs whose next word says which function is meant."""

_LABEL_WORK = {
    "export": "exporting", "import": "importing", "propagate": "carrying labels", "push": "sending", "pull": "fetching",
}  # fmt: skip
