"""Values of types, and sections of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from vergence.errors import InputError
from vergence.runs.overrides import Switch, Text
from vergence.runs.schema import build, describe, find, leaves, meaning, typed


@dataclass(frozen=True)
class Inner:
    size: int = 1
    name: str = "a"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"size is {self.size}; give 1 or more.")


@dataclass
class Outer:
    rate: float = 0.5
    inner: Inner = field(default_factory=lambda: Inner(size=4))
    rates: dict[str, float] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)


def test_later_values_win_and_defaults_of_a_section_stay() -> None:
    found = build(Outer, ({"rate": 1, "inner": {"name": "b"}}, "a"), ({"rate": Text("1e-3"), "rates.head": 2}, "b"))
    assert found == Outer(0.001, Inner(4, "b"), {"head": 2.0})
    assert build(Outer, ({}, "a"), ({"inner": {}}, "b")) == Outer()


def test_what_has_no_type_means_what_it_says() -> None:
    given = {"free": {"a.b": 3, "c": {"d": Text("1e-4")}, "e": Text("[1, x]"), "f": Switch("true"), "g": Text("None")}}
    assert build(Outer, (given, "a")).free == {"a.b": 3, "c.d": 1e-4, "e": [1, "x"], "f": True, "g": None}
    assert [meaning(text) for text in ("", "12", "a: b: c", "2020-01-01", "word")] == [
        "", 12, "a: b: c", "2020-01-01", "word",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"raet": 1}, "key 'raet' in here is unknown; did you mean 'rate'?"),
        ({"inner.sise": 1}, "key 'inner.sise' in here is unknown; did you mean 'inner.size'?"),
        ({"size": 1}, "key 'size' in here is unknown; did you mean 'inner.size'?"),
        ({"inner": {"x": 1}}, "key 'inner.x' in here is unknown; inner has size, name."),
        ({"inner": 5}, "inner in here is 5; it is a section with keys of its own."),
        ({"rate.more": 5}, "key 'rate.more' in here: rate is a setting without keys of its own."),
        ({"rate": "fast"}, "rate is 'fast' in here; expected a number."),
        ({"rate": None}, "rate is null in here; expected a number."),
        ({"rate": Text("inf")}, "rate is inf in here; expected a finite number."),
        ({"rate": Text(".inf")}, "rate is '.inf' in here; expected a number."),
        ({"rate": Switch("true")}, "--rate has no value; expected a number."),
        ({"rates.head": [1]}, "rates.head is [1] in here; expected a number."),
        ({"inner.size": 1.5}, "inner.size is 1.5 in here; expected an integer."),
        ({"inner.size": 0}, "size is 0; give 1 or more."),
    ],
)
def test_mistakes_in_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        build(Outer, (given, "here"))
    assert str(error.value) == said


def test_equal_unions_in_another_order_are_told_apart() -> None:
    assert typed("7", int | str, "k", "o") == 7
    assert typed("7", str | int, "k", "o") == "7"


@pytest.mark.parametrize("text", ["1_0", "٣", "0x10", "12:30", "", "seven"])
def test_numbers_are_plain(text: str) -> None:
    for hint in (int, float, int | None, tuple[int, ...]):
        with pytest.raises(InputError):
            typed(Text(text), hint, "k", "o")


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("[1, 2]", tuple[int, int], (1, 2)),
        ("[1e-4]", tuple[float, ...], (1e-4,)),
        ("[1, b]", tuple[int | str, ...], (1, "b")),
        ("[1, 2]", Sequence[int] | str, [1, 2]),
        ("1,2", Sequence[int] | str, "1,2"),
        ("{a: 1}", dict[str, float], {"a": 1.0}),
        ("No", bool, False),
        ("no", Literal["no", "bf16"], "no"),
        ("2", Literal[1, 2], 2),
        ("null", str | None, None),
        ("null", str, "null"),
        ("here", Path, Path("here")),
    ],
)
def test_texts_of_types(text: str, hint: Any, value: Any) -> None:
    assert typed(Text(text), hint, "k", "o") == value


def test_a_list_has_the_length_of_its_type() -> None:
    with pytest.raises(InputError, match=r"k is \[1\] in o; expected a list \[an integer, an integer\]"):
        typed([1], tuple[int, int], "k", "o")


def test_keys_and_types() -> None:
    assert [key for key, _ in leaves(Outer)] == ["rate", "inner.size", "inner.name", "rates", "free"]
    assert find(Outer, "inner.size", "o") == ("inner.size", int)
    assert find(Outer, "rates.any.thing", "o") == ("rates", dict[str, float])
    assert describe(Literal["a", "b"] | None) == "one of a, b or null"
    assert describe(tuple[int, ...]) == "a list such as [an integer, ...]"
    assert describe(tuple[int, float]) == "a list [an integer, a number]"
    assert describe(dict[str, Any]) == "keys with any value"
    assert describe(str | Path | None) == "a path or null"
    assert describe(Literal["", "all"]) == 'one of "", all'
