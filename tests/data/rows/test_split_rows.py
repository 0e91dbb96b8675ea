"""Which rows a split means."""

import logging
from pathlib import Path

import pytest

from vergence.data.manifest import FrameRow, Manifest
from vergence.data.rows.split_rows import in_split
from vergence.errors import InputError


def manifest(*splits: str) -> Manifest:
    rows = [FrameRow(f"{place}.png", "a", place, split=split) for place, split in enumerate(splits)]
    return Manifest(rows, Path("."))


def names(found: Manifest) -> list[str]:
    return [row.image for row in found]


def test_rows_of_a_split_and_of_all() -> None:
    data = manifest("train", "val", "", "train")
    assert names(in_split(data, "train")) == ["0.png", "3.png"]
    assert names(in_split(data, "all")) == names(in_split(data, None)) == names(data)
    assert in_split(data, "val").neighbour(0, 1) is not None  # frames of other splits stay as neighbours
    assert names(in_split(manifest("all", "val"), "all")) == ["0.png"]


def test_an_absent_split_is_an_error_that_names_the_others() -> None:
    with pytest.raises(
        InputError, match=r"has no split 'vall' but 'train', 'val'; name one of these, or all, in --split"
    ):
        in_split(manifest("train", "val", ""), "vall")
    with pytest.raises(InputError, match=r"in frames\.train_split"):
        in_split(manifest("val"), "train", "frames.train_split")


def test_data_without_splits_are_taken_whole_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="vergence"):
        assert len(in_split(manifest("", "", ""), "val")) == 3
    assert "has no splits: 'val' means all its 3 frames" in caplog.text
