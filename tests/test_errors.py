"""Text for people, and the nearest known word."""

import pytest

from vergence.data.rows.subsets import random_subset
from vergence.errors import InputError, Interrupted, first_line, nearest, printable, reason, require
from vergence.runs.config import read_config


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\rb", r"a\rb"),
        ("one\ttwo\nthree", "one\ttwo\nthree"),
        ("left\u202eright", r"left\u202eright"),
        ("half \ud800", r"half \ud800"),
        ("straße 道", "straße 道"),
    ],
)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_nearest_word_or_nothing() -> None:
    assert nearest("smothness", ["smoothness", "scale"]) == " (did you mean 'smoothness'?)"
    assert nearest("xyz", ["smoothness", "scale"]) == ""
    assert nearest("a", []) == ""


def test_errors_for_users_are_values_and_interruptions_carry_their_code() -> None:
    assert isinstance(InputError("a"), ValueError)
    stop = Interrupted("stopped by SIGTERM", 143)
    assert not isinstance(stop, ValueError)
    assert (str(stop), stop.exit_code) == ("stopped by SIGTERM", 143)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_some_generator_refuses_is_refused_first(seed: int) -> None:
    for name in ("train.seed", "frames.labelled.seed"):
        with pytest.raises(InputError, match=f"{name} is {seed}; give a number from 0"):
            read_config("supervised-toytown-tiny", {name: seed})


def test_the_largest_seed_draws_frames() -> None:
    assert len(random_subset(10, 3, 2**63 - 1)) == 3


def test_what_errors_of_others_say() -> None:
    assert first_line(RuntimeError(" a shape is wrong.\nTraceback ...")) == "a shape is wrong"
    assert first_line(RuntimeError("x" * 500)) == "x" * 200
    assert first_line(KeyError()) == "KeyError"
    assert reason(FileNotFoundError(2, "No such file or directory", "a.png")) == "No such file or directory"
    assert reason(ValueError("a")) == "a"


def test_what_is_required_is_said() -> None:
    require(True, "never said")
    with pytest.raises(InputError, match=r"^give two$"):
        require(False, "give two")
