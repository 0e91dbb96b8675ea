"""Encodings, and what is no text or no file, for all readers."""

import os
import re
from pathlib import Path

import pytest

from tests.data.structured.refusals import refused
from vergence.data.structured import (
    read_csv,
    read_json,
    read_keyed_numbers,
    read_lines,
    read_numbers,
    read_text,
    read_xml,
    read_yaml,
)

CODECS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


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
