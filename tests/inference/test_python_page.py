"""The page about Python says what runs: its blocks are run, one after another, as a reader would."""

import re
from pathlib import Path

import pytest
from PIL import Image

import vergence
from tests.inference.stored import picture, stored_run, video

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    stored_run(tmp_path / "runs" / "seg")
    Image.fromarray(picture()).save("frame.jpg")
    video(tmp_path / "drive.mp4", 3)
    vergence.index("toytown", "town", "town.parquet", {"train": 1, "val": 1, "frames": 4})
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert Path("frame.ply").is_file()
    assert len(names["nearest"]) == 3  # type: ignore[arg-type]
    assert Path("runs/new/report.html").is_file()
    assert names["loss"].isfinite()  # type: ignore[attr-defined]
    assert names["mixed"].labels.shape == (2, 64, 96)  # type: ignore[attr-defined]
