"""Checked values of files name their place, what was expected and what was found."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.data.structured.refusals import refused
from vergence.data.structured import (
    Entry,
)

ENTRY = Entry("c.json", {"a": {"b": [1, "x", math.nan]}, "n": -1, "t": True})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda e: e["a"]["b"][1].number(), "c.json: a.b[1]: expected a finite number, found 'x'; correct it."),
        (lambda e: e["n"].number(above=0), "c.json: n: expected a finite number greater than 0, found -1; correct it."),
        (lambda e: e["q"]["x"].text(), "c.json: q: expected an object, found nothing; correct it."),
        (lambda e: e["t"].whole(), "c.json: t: expected a whole number, found True; correct it."),
        (lambda e: e["a"].sequence(), "c.json: a: expected a list, found an object of 1; correct it."),
        (lambda e: e["a"]["b"].sequence(2), "c.json: a.b: expected a list of 2, found a list of 3; correct it."),
        (lambda e: e["a"]["b"][7].number(0, 1), "at least 0 and at most 1, found nothing; correct it."),
        (lambda e: e["a"]["b"][2].number(), "found nan"),
        (lambda e: e["n"].text(of=("l", "r")), "expected one of l, r, found -1"),
    ],
)
def test_entries(call: Callable[[Entry], Any], said: str) -> None:
    assert said in refused(lambda: call(ENTRY))


def test_entries_that_are_right() -> None:
    assert ENTRY["z"].number(default=3) == 3
    assert ENTRY["n"].whole(-1) == -1
    assert ENTRY["a"]["b"][-3].number() == 1.0
