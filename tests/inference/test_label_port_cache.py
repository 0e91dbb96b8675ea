"""Labels that are made and kept: their size, and worse copies that are made once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.inference.label_port_cache import Found, Wanted, corrupted_labels, kept_size
from vergence.settings.label_corruption import LabelCorruption

SPACE = "three:road#804080,sky#4682b4,car#00008e"


@pytest.mark.parametrize(
    ("picture", "working", "kept"),
    [
        ((100, 200), (50, 100), (50, 100)),
        ((100, 200), (50, 50), (50, 100)),
        ((100, 200), (100, 100), (100, 200)),
        ((100, 200), (400, 800), (100, 200)),
        ((375, 1242), (192, 640), (193, 640)),
    ],
)
def test_labels_just_cover_the_working_size(
    picture: tuple[int, int], working: tuple[int, int], kept: tuple[int, int]
) -> None:
    assert kept_size(picture, working) == kept


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Wanted, Found]:
    monkeypatch.setenv("VERGENCE_CACHE", str(tmp_path / "cache" / "frames"))
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    ids = np.indices((20, 30)).sum(0) // 10 % 3
    Image.fromarray(ids.astype(np.uint8)).save(tmp_path / "label.png")
    one = Wanted(tmp_path / "a.png", 0, False, "drive 0", FrameRow("a.png", "drive", 0))
    return {one: Found(tmp_path / "label.png", None, SPACE)}


def test_worse_copies_are_made_once_and_the_same_again(found: dict[Wanted, Found]) -> None:
    corruption = LabelCorruption(blobs=0.5, seed=3)
    ((one, copy),) = corrupted_labels(found, (10, 15), corruption).items()
    ids = read_label(copy.label)
    assert (ids.shape, copy.confidence, copy.space) == ((10, 15), None, SPACE)
    before = np.array(Image.open(found[one].label).resize((15, 10), Image.Resampling.NEAREST))
    assert (ids != before).any(), "some are wrong now"
    changed = copy.label.stat().st_mtime_ns
    again = corrupted_labels(found, (10, 15), corruption)
    assert (again[one], again[one].label.stat().st_mtime_ns) == (copy, changed)
    copy.label.write_bytes(copy.label.read_bytes()[:-5])
    np.testing.assert_array_equal(read_label(corrupted_labels(found, (10, 15), corruption)[one].label), ids)


def test_labels_of_unknown_meaning_cannot_be_made_worse(found: dict[Wanted, Found]) -> None:
    ((one, labels),) = found.items()
    with pytest.raises(InputError, match="does not say what its ids mean"):
        corrupted_labels({one: Found(labels.label, None, "")}, (10, 15), LabelCorruption())
