"""The page of a selection: what is on it, that it stands alone, its charts, and bad input."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.report import selection_page
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


def edited(folder: Path, **changes: object) -> str:
    selection = json.loads((folder / "selection.json").read_text()) | changes
    (folder / "selection.json").write_text(json.dumps(selection))
    return write_selection_page(folder).read_text(encoding="utf-8")


def test_the_page_leads_with_what_the_criterion_optimises(folder: Path) -> None:
    scores = folder / "steps" / "step-1"
    scores.mkdir(parents=True)
    np.save(scores / "difficulty.npy", np.array([0.001, 0.002, 0.003, np.nan]))
    leads = {
        "ds": "No frame is farther than",
        "us": "On 1 of the chosen frames the student&#39;s error of depth is 0.0123 on average, 0.002 on all frames",
        "ds_us": "How hard and how different they are",
        "entropy": "No frame has a score yet",
        "random": "Nothing is optimised",
        "uniform": "Between neighbours in a sequence lie 4 to 5 frames, 4.5 on average.",
    }
    for criterion, words in leads.items():
        text = edited(folder, criterion=criterion)
        assert words in text, criterion
        assert text.index(words) < text.index("How well they stand for all frames") < text.index("What was chosen from")


def test_frames_that_are_set_aside_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Frames set aside" not in edited(folder)
    text = edited(folder, val=["7.png", "2.png", "4.png"], val_rows=[7, 2, 4])
    part = text[text.index("Frames set aside to judge by</h2>") :]
    assert re.findall(r"drive &lt;1&gt; · (\d)</figcaption>", part) == ["2", "4", "7"]
    assert part.count("data:image/jpeg;base64,") == 3
    assert "<li><b>" not in part
    assert "Set aside to judge by" in text
    monkeypatch.setattr(selection_page, "_JUDGING", 2)
    assert "2 of 3, evenly spaced." in edited(folder)


def test_thumbnails_enlarge_as_long_as_the_page_stays_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0)
    for place in (0, 5, 9):
        Image.fromarray(noise.integers(0, 255, (300, 600, 3), dtype=np.uint8)).save(folder / f"{place}.png")
    text = edited(folder)
    large = re.findall(r'data-large="data:image/jpeg;base64,([^"]+)"', text)
    assert len(large) == 3
    assert Image.open(io.BytesIO(base64.b64decode(large[0]))).size == (480, 240)
    monkeypatch.setattr(selection_page, "_PICTURE_BYTES", 300_000)
    text = edited(folder)
    assert 0 < text.count("data-large=") < 3
    assert text.count("<li><b>") == 3
    assert len(text) < 400_000
