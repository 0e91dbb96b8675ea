"""The grammar of settings: words and mappings to values by full name."""

import pytest

from vergence.errors import InputError
from vergence.runs.overrides import Switch, Text, flattened, origin_of, read_words, settings_of


def test_words_are_values_of_the_keys_before_them() -> None:
    words = ["one", "--a.b", "1", "two", "--c=--d=2", "--e=", "--switch", "--f", "-1", "--g", "--", "--last"]
    alone, pairs = read_words(words)
    assert alone == ["one", "two"]
    assert pairs == [
        ("a.b", "1"), ("c", "--d=2"), ("e", ""), ("switch", "true"), ("f", "-1"), ("g", "--"), ("last", "true"),
    ]  # fmt: skip
    assert [key for key, text in pairs if isinstance(text, Switch)] == ["switch", "last"]


def test_the_last_word_counts() -> None:
    assert settings_of(["--a", "1", "--b=2", "--a=3"]) == {"a": "3", "b": "2"}


def test_words_of_no_key() -> None:
    with pytest.raises(InputError, match=r"'two' belongs to no key; write settings as --section\.key value\."):
        settings_of(["--a", "one", "two"])


def test_nested_values_have_full_names() -> None:
    given = {"train.steps": 3, "frames": {"options": {"flip": 0.5}, "labelled": {}}}
    assert settings_of(given) == {"train.steps": 3, "frames.options.flip": 0.5, "frames.labelled": {}}
    assert list(flattened({"a": {"b": {"c": [1, 2]}}})) == [("a.b.c", [1, 2])]


def test_messages_say_who_gave_a_value() -> None:
    assert origin_of(["--a", "1"]) == origin_of({"a": Text("1")}) == "the command line"
    assert origin_of({"a": 1}) == "the overrides"
