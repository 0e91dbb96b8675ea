"""JSON and logs of one object a line; malformed files cost a sentence."""

import math
from pathlib import Path

import pytest

from tests.data.structured.refusals import refused
from vergence.data.structured import (
    LIMITS,
    iter_json_lines,
    parse_json,
    read_json_lines,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested deeper than 64 levels"),
        ('{"a":' * 100_000, "nested deeper than 64 levels"),
        ("[" * 100 + "]" * 100, "nested deeper than 64 levels"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "too large"),
        (f"[{'9' * 100}]", "too large"),
        (f"[{'9' * 5000}]", "JSON that can be used"),
        ('{"a":1,"a":2}', "the key 'a' stands twice"),
        ('{"a": 1}x', "is no JSON (line 1, column 9"),
        ("", "is no JSON (line 1, column 1"),
    ],
)
def test_bad_json(text: str, said: str) -> None:
    assert said in refused(lambda: parse_json(text, "x.json"))


def test_good_json(tmp_path: Path) -> None:
    assert parse_json('{"a": [1, 2.5]}', "x") == {"a": [1, 2.5]}
    assert math.isnan(parse_json("[NaN]", "x", finite=False)[0])
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": NaN}\n{"torn\n[1]\n\xff\n{"c": 2}')
    found = read_json_lines(path)
    assert [list(one) for one in found] == [["a"], ["b"], ["c"]]
    assert [list(one) for one in iter_json_lines(path)] == [["a"], ["b"], ["c"]]


def test_lines_are_read_of_a_file_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    monkeypatch.setitem(LIMITS, "json", 20)
    monkeypatch.setitem(LIMITS, "log", 20)
    path.write_text('{"a": 1}\n' * 100)
    assert sum(1 for _ in iter_json_lines(path)) == 100
    path.write_text('{"a": 1}\n{"a": "' + "1" * 20)
    assert "has a line of more than" in refused(lambda: list(iter_json_lines(path, "make it again")))
    assert "does not exist; make it again." in refused(
        lambda: list(iter_json_lines(tmp_path / "none", "make it again"))
    )
