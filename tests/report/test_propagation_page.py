"""The page of carried labels: what a record says is shown, hand-made labels apart from carried ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.propagation.propagate import RECORD
from vergence.report import propagation_page
from vergence.report.propagation_page import write_propagation_page

SPACE = "small:road#804080,sky#4682b4,car#00008e"


def carried(folder: Path, right: float | None) -> Path:
    """Three frames, the middle one's label carried from the first."""
    (folder / "out").mkdir()
    rows = []
    for place in range(3):
        Image.fromarray(np.full((20, 30, 3), 60 * place, np.uint8)).save(folder / f"{place}.png")
        Image.fromarray(np.full((20, 30), place % 2, np.uint8)).save(folder / f"l{place}.png")
        row = {"image": f"{place}.png", "sequence": "drive <1>", "position": place}
        if place < 2:
            row |= {"label": f"l{place}.png", "label_space": SPACE}
        if place == 1:
            Image.fromarray(np.full((20, 30), 204, np.uint8)).save(folder / "sure.png")
            row |= {"label_origin": "carried", "label_confidence": "sure.png"}
        rows.append(FrameRow(**row))
    segment = {
        "from": "0.png", "to": None, "sequence": "drive <1>", "camera": "", "cuts": ["2.png"], "meetings": [],
        "frames": [{"image": "1.png", "coverage": 0.75}, {"image": "2.png", "coverage": 0.0}],
    }  # fmt: skip
    record = {
        "label_space": SPACE, "labelled": 1, "carried": 1, "data": "abc123", "motion": "flow", "seconds": 1.5,
        "coverage": 0.75, "segments": [segment], "check": {"right_kept": right, "seconds": 0.5},
    }  # fmt: skip
    (folder / "out" / RECORD).write_text(json.dumps(record))
    return Manifest(rows, folder).write(folder / "out.parquet")


def test_what_was_carried_from_where_is_said(tmp_path: Path) -> None:
    path = write_propagation_page(carried(tmp_path, 0.953))
    assert path == tmp_path / "out" / "propagation.html"
    page = path.read_text(encoding="utf-8")
    expected = (
        "1 labels carried to 1 frames", "95.3% of the kept pixels agree", "drive &lt;1&gt;", "1.5 s each way",
        "1 of 2 frames reached from 0", "Stopped by a cut before 2", "75% of the pixels", "by hand",
    )  # fmt: skip
    for text in expected:
        assert text in page, text
    assert page.count("<rect") == 3, "a bar for each frame"
    assert page.count("#e0762b") == 1, "one of them made by hand"
    assert 'height="117.0" fill="#4c8dd6"' in page, "75 % of 156 units"


def test_without_a_meeting_nothing_is_claimed(tmp_path: Path) -> None:
    page = write_propagation_page(carried(tmp_path, None)).read_text(encoding="utf-8")
    assert "nothing on these data says how right they are" in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"frames": [{"image": "1.png", "coverage": 0.5}]},
            "Stopped at 1: no label is carried farther than 1.5 seconds.",
        ),
        (
            {},
            "Went as far as 2, the last frame of the video. In 1 of them nothing was sure enough to be kept.",
        ),
        ({"cuts": ["2.png"]}, "Stopped by a cut before 2."),
        ({"from": None, "to": "0.png", "frames": [{"image": "1.png", "coverage": 1.0}]}, "Stopped at 1: no label"),
    ],
)
def test_where_labels_stopped_and_why(tmp_path: Path, changed: dict, said: str) -> None:
    manifest = carried(tmp_path, None)
    file = tmp_path / "out" / RECORD
    record = json.loads(file.read_text())
    record["segments"][0] |= {"cuts": []} | changed
    file.write_text(json.dumps(record))
    page = write_propagation_page(manifest).read_text(encoding="utf-8")
    assert said in page
    assert ("Stopped at" in page) + ("Went as far as" in page) + ("by a cut" in page) == 1


def test_what_has_no_label_is_dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = carried(tmp_path, None)
    ids = np.full((20, 30), 1, np.uint8)
    ids[:, 15:] = 255
    Image.fromarray(ids).save(tmp_path / "l1.png")
    assert "Dark: no label" in write_propagation_page(manifest).read_text(encoding="utf-8")
    shown = {}
    monkeypatch.setattr(propagation_page, "photograph", lambda name, pixels, note: shown.update({name: pixels}))
    list(propagation_page._pictures(Manifest.read(manifest), 1, label_space(SPACE), 0.5, set()))
    assert (shown["1"][:, 15:] == 15).all(), "a quarter of the photograph's 60"
    assert (shown["1"][:, :15] > 60).any()
