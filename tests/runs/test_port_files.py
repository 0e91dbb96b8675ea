"""Files of a folder find their images, and what ports keep has a name of its own for every file."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.runs.port_files import NamedFiles, digest, entry, port_cache


def put(folder: Path, *names: str) -> NamedFiles:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return NamedFiles(folder, (".png",))


def test_the_longest_name_that_ends_a_path_is_its_file(tmp_path: Path) -> None:
    files = put(tmp_path, "a/001.png", "001.png", "b/001.png", "b/002.txt")
    assert files.files.keys() == {"a/001", "001", "b/001"}
    assert put(tmp_path / "capitals", "001.PNG").ending_like(Path("/data/001.jpg")) == "001"
    assert files.ending_like(Path("/data/a/001.jpg")) == "a/001"
    assert files.ending_like(Path("/data/c/001.jpg")) == "001"
    assert files.ending_like(Path("/data/xb/001.jpg")) == "001", "whole names of folders"
    assert files.ending_like(Path("/data/b/002.jpg")) is None


def test_one_of_several_names_needs_its_folders(tmp_path: Path) -> None:
    files = put(tmp_path, "a/001.png", "b/001.png", "c/002.png")
    assert files.of(Path("elsewhere/002.jpg")) == ["c/002"], "the only one of its name"
    assert files.of(Path("data/b/001.jpg")) == ["b/001"]
    assert files.of(Path("data/x/001.jpg")) == []
    assert files.of(Path("data/003.jpg")) == []


def test_a_changed_file_has_another_entry(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)
    before = entry(path)
    assert entry(path) == before
    os.utime(path, ns=(5, 5))
    assert entry(path) != before
    assert len({digest("a"), digest("b"), digest("a\udcff")}) == 3


def test_ports_keep_their_files_beside_decoded_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    assert port_cache("estimates") == tmp_path / "cache" / "estimates"
