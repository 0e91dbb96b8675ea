"""Files that are what was written, and files that are not."""

import json
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vergence.runs.intact import altered, checksum, torn_object, torn_tensors


def test_a_checksum_is_the_crc_of_the_bytes_and_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = bytes(range(256)) * 8192 + b"more than one block"
    path.write_bytes(content)
    assert checksum(path) == f"{zlib.crc32(content):08x}"
    path.write_bytes(content[::-1])
    assert checksum(path) == f"{zlib.crc32(content[::-1]):08x}"


def test_a_flipped_bit_is_no_torn_file_but_an_altered_one(tmp_path: Path) -> None:
    weights, settings = tmp_path / "w.safetensors", tmp_path / "config.json"
    save_file({"a": torch.arange(100.0)}, weights)
    settings.write_text(json.dumps({"checksums": {weights.name: checksum(weights)}}))
    assert (torn_tensors(weights), altered(weights, settings)) == ("", "")
    content = bytearray(weights.read_bytes())
    content[-7] ^= 1
    weights.write_bytes(content)
    assert torn_tensors(weights) == ""
    assert altered(weights, settings) == "w.safetensors is not what was written, by its checksum"


@pytest.mark.parametrize("said", ["{}", "[]", "{", '{"checksums": 3}', '{"checksums": {"other": "00000000"}}'])
def test_without_a_checksum_anything_is_taken(tmp_path: Path, said: str) -> None:
    (tmp_path / "w").write_bytes(b"12")
    assert altered(tmp_path / "w", tmp_path / "config.json") == ""
    (tmp_path / "config.json").write_text(said)
    assert altered(tmp_path / "w", tmp_path / "config.json") == ""


def test_what_is_missing_or_of_another_form(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert torn_tensors(path) == torn_object(path, ()) == "a is missing"
    path.write_text("[]")
    assert torn_tensors(path).startswith("a: ")
    assert torn_object(path, ()) == "a is no JSON object"
    path.write_text('{"x": 1}')
    assert torn_object(path, ("z", "x", "y")) == "a lacks 'y'"
    assert torn_object(path, ("x",)) == ""
