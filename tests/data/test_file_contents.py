"""What lies in the files of a manifest: copies are equal, what was put there under an old name is not."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data import file_contents
from vergence.data.file_contents import contents_digest
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

COUNT = 6


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = []
    for number in range(COUNT):
        picture(tmp_path / "data" / f"{number}.bmp", number)  # all of one size in bytes
        (tmp_path / "data" / f"{number}.npy").write_bytes(bytes([number]) * 100)
        depth = f"{number}.npy" if number < 2 else ""
        rows.append(FrameRow(f"{number}.bmp", "one", number, split="train" if number < 4 else "", depth=depth))
    return Manifest(rows, tmp_path / "data").write(tmp_path / "data" / "manifest.csv").parent


def digest(folder: Path, *offsets: int | str) -> str:
    return contents_digest(Manifest.read(folder / "manifest.csv").select("train"), offsets)


def test_a_copy_of_another_time_and_place_is_the_same(data: Path, tmp_path: Path) -> None:
    before = digest(data)
    assert len(before) == 12
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    for path in copy.iterdir():
        os.utime(path, ns=(1, 1))
    assert digest(copy) == before


@pytest.mark.parametrize("name", ["0.bmp", "3.bmp", "1.npy"])
def test_another_content_of_the_same_size_under_a_name(data: Path, name: str) -> None:
    before, size = digest(data), (data / name).stat().st_size
    if name.endswith("bmp"):
        picture(data / name, 77)
    else:
        (data / name).write_bytes(b"x" * 100)
    assert (data / name).stat().st_size == size
    assert digest(data) != before


def test_files_that_are_not_read_do_not_count_and_neighbours_do(data: Path) -> None:
    alone, near, stereo = digest(data), digest(data, -1, 1), digest(data, "s")
    assert alone == stereo != near
    picture(data / "5.bmp", 78)
    assert (digest(data), digest(data, -1, 1)) == (alone, near)
    picture(data / "4.bmp", 79)
    assert digest(data) == alone
    assert digest(data, -1, 1) != near


def test_beyond_the_files_that_are_read_sizes_count(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_contents, "_READ", 2)
    before = digest(data)
    picture(data / "2.bmp", 77)
    assert digest(data) == before
    Image.new("RGB", (61, 40)).save(data / "2.bmp")
    assert digest(data) != before


def test_of_very_many_files_some_are_asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the samples' files 0.bmp to 3.bmp, 0.npy and 1.npy three are looked at: the first, the third, the last."""
    monkeypatch.setattr(file_contents, "_READ", 1)
    monkeypatch.setattr(file_contents, "_REMOTE", 1)
    before = digest(data)
    monkeypatch.setattr(file_contents, "_SIZED", 3)
    some = digest(data)
    assert some.startswith("3:")
    assert not file_contents.comparable(some, before)
    for name, counts in (("1.bmp", False), ("2.bmp", True), ("0.npy", False), ("1.npy", True)):
        (data / name).write_bytes(b"other")
        assert (digest(data) != some) == counts
        assert file_contents.comparable(digest(data), some)
        some = digest(data)


def test_files_that_are_missing_or_none_are_not_waited_for(data: Path) -> None:
    before = digest(data)
    (data / "1.bmp").unlink()
    without = digest(data)
    os.mkfifo(data / "1.bmp")
    assert digest(data) == without != before
    assert contents_digest(Manifest([], data)) != before
