"""The size of a picture, by its file and by the manifest."""

from pathlib import Path

import pytest
from PIL import Image

from vergence.data.manifest import FrameRow, Manifest
from vergence.data.stored_size import stored_size
from vergence.errors import InputError


def test_the_file_tells_and_the_manifest_may_not_say_otherwise(tmp_path: Path) -> None:
    across = Image.Exif()
    across[0x0112] = 6  # shown upright, the picture is a quarter turn further
    Image.new("RGB", (12, 8)).save(tmp_path / "0.jpg", exif=across)
    Image.new("RGB", (12, 8)).save(tmp_path / "1.png")
    rows = [FrameRow("0.jpg", "a", 0), FrameRow("1.png", "a", 1, width=12, height=8), FrameRow("1.png", "a", 2)]
    assert [stored_size(Manifest(rows, tmp_path), row) for row in range(3)] == [(12, 8), (8, 12), (8, 12)]
    wrong = Manifest([FrameRow("1.png", "a", 0, width=24, height=16)], tmp_path)
    with pytest.raises(InputError, match=r"1\.png is 12x8, but the manifest says 24x16; make the manifest again"):
        stored_size(wrong, 0)
