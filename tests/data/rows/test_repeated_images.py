"""Rows that name the same picture, against plain counting."""

import numpy as np
import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows import repeated_images
from vergence.data.rows.columns import Column
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.repeated_images import repeated


def plain(texts: list[str]) -> tuple[int, int, int] | None:
    found = [k for k, text in enumerate(texts) if text in texts[:k]]
    if not found:
        return None
    first = found[0]
    return len(found), first, max(k for k in range(first) if texts[k] == texts[first])


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_as_by_counting(seed: int, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_images, "_AT_ONCE", 7)
    if not few:
        monkeypatch.setattr("vergence.data.rows.columns._FEW", 1)
    rng = np.random.default_rng(seed)
    texts = [f"{'d' * int(rng.integers(0, 4))}/{int(rng.integers(0, 200))}é.png" for _ in range(60)]
    column = Column.of(str, texts)
    assert (column.codes is not None) == few
    assert repeated(column) == plain(texts)
    assert repeated(Column.of(str, list(dict.fromkeys(texts)))) is None


def test_texts_of_one_mark_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_images, "_WEIGHTS", np.zeros(8, np.uint64))
    assert repeated(Column.of(str, [f"{k}.png" for k in reversed(range(30))])) is None


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_that_names_a_picture_twice_says_so_once(tmp_path, caplog, suffix) -> None:
    rows = [FrameRow(f"{k % 4}.png", "s", k) for k in range(6)]
    path = Manifest(rows, tmp_path).write(tmp_path / f"m.{suffix}")
    for _ in range(2):
        assert len(Manifest.read(path)) == 6
    assert [record.getMessage().partition("m.")[2] for record in caplog.records] == [
        f"{suffix} names pictures in more than one row (2 rows; the first is 0.png at position 4 of sequence 's', "
        "which position 0 of 's' names, too): they count once for each row; remove these rows if that is not meant"
    ]
