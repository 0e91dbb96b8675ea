"""The one reader: what it reads, and that malformed files cost a sentence, quickly, not a crash or minutes."""

import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vergence.data.structured import (
    Entry,
    parse_json,
    parse_yaml,
    read_csv,
    read_json,
    read_json_lines,
    read_keyed_numbers,
    read_lines,
    read_numbers,
    read_opencv_matrices,
    read_text,
    read_xml,
    read_yaml,
)
from vergence.data.structured.xml_text import parse_xml
from vergence.errors import InputError

CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
SECONDS = 5.0
"""Of malformed files that took minutes; the measured times are below one."""


def refused(call: Callable[[], Any]) -> str:
    start = time.monotonic()
    with pytest.raises(InputError) as error:
        call()
    assert time.monotonic() - start < SECONDS
    said = str(error.value)
    assert len(said) < 500
    assert said.endswith(".")
    return said


@pytest.mark.parametrize("codec", CODECS)
def test_encodings(tmp_path: Path, codec: str) -> None:
    """Notepad and PowerShell begin a file with a mark."""
    path = tmp_path / "x"
    path.write_bytes('{"a": "é"}'.encode(codec))
    assert read_json(path) == {"a": "é"}
    path.write_bytes("a: é\r\nb: [1]\r\n".encode(codec))
    assert read_yaml(path) == {"a": "é", "b": [1]}
    path.write_bytes("a,b\r\n1,é\r\n".encode(codec))
    assert read_csv(path) == [(1, ["a", "b"]), (2, ["1", "é"])]
    path.write_bytes("one é\r\ntwo\r\n".encode(codec))
    assert read_lines(path) == ["one é", "two"]
    path.write_bytes("<a><b c='é'/></a>".encode(codec))
    assert read_xml(path)[0].get("c") == "é"
    path.write_bytes("1 2\n3,4 # more\n".encode(codec))
    assert read_numbers(path).tolist() == [[1, 2], [3, 4]]
    path.write_bytes("P0: 1 2\ntime: noon\n".encode(codec))
    assert {key: value.tolist() for key, value in read_keyed_numbers(path).items()} == {"P0": [1, 2]}


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes('{"a":\n"é"}'.encode("latin-1"))
    assert re.search(r"is no text in UTF-8 \(byte 7, line 2\); save it as UTF-8", refused(lambda: read_json(path)))
    path.write_bytes(b"a\nb\0")
    assert "a zero byte in line 2" in refused(lambda: read_text(path))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(lambda: read_json(tmp_path / "pipe"))
    assert "no regular file" in refused(lambda: read_json("/dev/zero"))
    assert "a folder" in refused(lambda: read_json(tmp_path))
    assert "does not exist" in refused(lambda: read_json(tmp_path / "none"))
    assert "cannot be read" in refused(lambda: read_json("a\0b"))


def test_size(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b" " * ((1 << 20) + 1))
    assert "is larger than 1 MB" in refused(lambda: read_yaml(path))


def laughs(line: str) -> str:
    """Each line means nine of the line before."""
    letters = [chr(98 + place) for place in range(20)]
    lines = [line.format(new=new, old=",".join([f"*{chr(ord(new) - 1)}"] * 9)) for new in letters]
    return "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (laughs("{new}: &{new} [{old}]"), "means more than 100000 values with its aliases"),
        (laughs("{new}: &{new} {{<<: [{old}]}}"), "means more than 100000 values"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 150_000, "nested deeper than 32 levels"),
        ("- " * 150_000, "nested deeper"),
        ("? " * 150_000, "nested deeper"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(1000)), "nested deeper"),
        ("a: [" + "1," * 300_000 + "]", "more than 100000 values"),
        ("a: 1\nb: 2\na: 3", "line 3 has the key 'a' a second time"),
        ("a: .nan", "not finite"),
        ("a: .inf", "not finite"),
        ("a: " + "9" * 5000, "YAML that can be used"),
        ("a: !!python/object:os.system {}", "is no YAML"),
        ("a:\n\t- b", "in line 2, column 1"),
        ("a: 1\n---\nb: 1", "is no YAML in line 2"),
        ("a: 2011-99-99", "YAML that can be used"),
        ("a: \x07", "is no YAML"),
    ],
)
def test_bad_yaml(text: str, said: str) -> None:
    assert said in refused(lambda: parse_yaml(text, "x.yaml"))


def test_good_yaml() -> None:
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: 2}", "x") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1, "e": 2},
    }
    assert parse_yaml("", "x") is None


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<a>" * 1_000_000, "nested deeper than 64 levels"),
        ("<a><b>", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "declares a document type"),
        ("", "is no XML"),
    ],
)
def test_bad_xml(text: str, said: str) -> None:
    assert said in refused(lambda: parse_xml(text, "x.xml"))


def test_bad_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,b\n"1,2\n')
    assert "is no CSV" in refused(lambda: read_csv(path))
    for text, said in (("1 2\n3", "line 2 has 1 numbers, expected 2"), ("1 nan", "'nan', expected a finite number")):
        path.write_text(text)
        assert said in refused(lambda: read_numbers(path))
    path.write_text("# nothing\n")
    assert "holds no numbers" in refused(lambda: read_numbers(path))


OPENCV = """%YAML:1.0
M1: !!opencv-matrix
   rows: 2
   cols: 3
   dt: d
   data: [ 1., 0, 0,
     0, 1, 0 ]
D1: !!opencv-matrix
   rows: 1
   cols: 2
   dt: d
   data: [1, 2]
"""


def test_matrices_of_opencv(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(OPENCV)
    found = read_opencv_matrices(path)
    np.testing.assert_array_equal(found["M1"], [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found["D1"], [[1, 2]])
    path.write_text(
        '<?xml version="1.0"?><opencv_storage><K type_id="opencv-matrix"><rows>1</rows><cols>2</cols><dt>d</dt>'
        "<data>1. 2.</data></K></opencv_storage>"
    )
    np.testing.assert_array_equal(read_opencv_matrices(path)["K"], [[1, 2]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OPENCV.replace("D1", "M1"), "M1 stands twice"),
        (OPENCV.replace("rows: 2", "rows: 3"), "M1 has 6 numbers for 3 x 3"),
        (OPENCV.replace("rows: 2", "rows: 99999999999"), "M1 is no matrix"),
        (OPENCV.replace("1., 0", "1., .Nan"), "M1 is no matrix of finite numbers"),
        (OPENCV.replace("1., 0", "1., nan"), "M1 is no matrix of finite numbers"),
        ("a: !!opencv-matrix\n" * 8000, "a is no matrix"),
        ("a: !!opencv-matrix data: [" * 8000, "a is no matrix"),
        ("a: !!opencv-matrix rows" + " " * 150_000, "a is no matrix"),
    ],
)
def test_bad_matrices_of_opencv(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text)
    assert said in refused(lambda: read_opencv_matrices(path))


@pytest.mark.parametrize("text", ["a" * 150_000, " " * 150_000 + "x", "rows:[" * 30_000])
def test_what_has_no_matrices_is_read_quickly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text)
    start = time.monotonic()
    assert read_opencv_matrices(path) == {}
    assert time.monotonic() - start < SECONDS


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
    assert ENTRY["t"].flag() is True
    assert ENTRY["a"]["b"][-3].number() == 1.0
