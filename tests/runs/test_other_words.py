"""Words of other tools are told ours, and ours exist."""

import re

import pytest

from vergence import api
from vergence.arguments import options_of
from vergence.cli import COMMANDS, main
from vergence.runs.config import recipe_class
from vergence.runs.other_words import OPTIONS, SETTINGS, VERBS
from vergence.runs.schema import leaves


def test_what_is_told_exists() -> None:
    known = {key for key, _ in leaves(recipe_class("depth"))}
    named = {
        name for text in SETTINGS.values() for name in re.findall(r"\b(?:train|optim|frames|network)\.[\w.]*\w", text)
    }
    assert named <= known
    assert not SETTINGS.keys() & known
    assert {text.split()[0] for text in VERBS.values()} <= set(COMMANDS)
    assert not VERBS.keys() & set(COMMANDS)
    functions = (api.evaluate, api.predict, api.select, api.export, api.serve)
    options = {option.label for function in functions for option in options_of(function)}
    assert {name for text in OPTIONS.values() for name in re.findall(r"--\w+", text)} <= options


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "depth-toytown-tiny", "--out", "x", "--epochs", "3"],
            "'epochs' in the command line is unknown; here",
        ),
        (["train", "depth-toytown-tiny", "--out", "x", "--imgsz=640"], "here it is frames.options.width and frames"),
        (["train", "depth-toytown-tiny", "--out", "x", "--batch", "4"], "here it is frames.batch_size"),
        (["train", "depth-toytown-tiny", "--out", "x", "--weights", "a.pt"], "here it is network.weights"),
        (["export", "run", "--format", "onnx"], "export has no option --format; here it is --to."),
        (["export", "run", "--imgsz", "640"], "here it is --size."),
        (["export", "run", "--half"], "here it is --precision fp16."),
        (["serve", "run", "--server-name", "0.0.0.0"], "here it is --host."),
        (["predict", "run", "in", "--out", "x", "--imgsz", "640"], "a run sees pictures at the size it was trained at"),
        (["predict", "run", "in", "--out", "x", "--batch", "2"], "here it is --batch_size"),
        (["evaluate", "run", "--dataset", "x"], "here it is --data"),
        (["val", "run"], "there is no command 'val'; here it is vergence evaluate"),
        (["infer"], "here it is vergence predict"),
        (["fit"], "here it is vergence train"),
    ],
)
def test_the_answer_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
