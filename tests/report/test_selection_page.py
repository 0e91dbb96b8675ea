"""The page of a selection: what is on it, that it stands alone, its charts, and bad input."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.frame_row import FrameRow
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.report.selection_page import write_selection_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What ``vergence select`` leaves, of ten frames on a line."""
    out = tmp_path / "out"
    out.mkdir()
    frames = [FrameRow(f"{place}.png", "drive <1>", place, camera="left") for place in range(10)]
    for frame in frames:
        Image.fromarray(np.full((20, 40, 3), 20 * frame.position, np.uint8)).save(out / frame.image)
    Manifest(frames, out).write(out / "candidates.parquet")
    features = np.zeros((10, 64), dtype=np.float32)
    features[:, 0] = np.arange(10)
    np.save(out / "features.npy", features)
    np.save(out / "digests.npy", np.arange(1, 11, dtype=np.uint64))
    np.save(out / "allowed.npy", np.arange(10) != 3)
    picks = [{"row": 5}, {"row": 0, "distance": 5.0, "difficulty": 0.0123}, {"row": 9, "distance": 4.0}]
    for pick in picks:
        pick |= {"image": f"{pick['row']}.png", "sequence": "drive <1>", "camera": "left", "position": pick["row"]}
    selection = {"criterion": "ds_us", "weight": 1000.0, "count": 3, "steps": [2, 3], "of": 10, "left_out": 1}
    selection |= {"seed": 0, "labelled": [3], "run": "runs/depth", "run_step": 7, "data": "drive", "data_digest": "abc"}
    selection["frames"] = picks
    (out / "selection.json").write_text(json.dumps(selection))
    return out


def test_page(folder: Path) -> None:
    page = write_selection_page(folder)
    assert page == folder / "selection.html"
    text = page.read_text(encoding="utf-8")
    assert "3 of 10 frames to label" in text
    assert "drive &lt;1&gt; · 5" in text
    assert "drive <1>" not in text
    assert "distance 5.0, difficulty 0.0123" in text
    assert text.count("data:image/jpeg;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "http" not in text
    assert "than with random frames" in text
    assert "than with uniform frames" in text
    assert "Labelled before" in text


def test_frames_that_were_not_read_are_not_needed(folder: Path) -> None:
    (folder / "7.png").unlink()
    write_selection_page(folder, folder / "other.html")
    assert (folder / "other.html").is_file()


def test_no_selection(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"selection.json does not exist; run vergence select again"):
        write_selection_page(tmp_path)
    (folder / "digests.npy").unlink()
    with pytest.raises(InputError, match=r"digests.npy does not exist; run vergence select with this --out first"):
        write_selection_page(folder)
