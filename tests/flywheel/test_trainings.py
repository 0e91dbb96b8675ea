"""Settings of a flywheel's trainings, before data are looked at, and the frames that are scored."""

import logging
from pathlib import Path

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.flywheel.settings import FlywheelConfig, PartConfig
from vergence.flywheel.trainings import asked_settings, held_back


def config() -> FlywheelConfig:
    return FlywheelConfig(
        overrides={"train.steps": 5, "train.seed": 2},
        depth=PartConfig("depth-toytown-tiny", {"train.steps": 9}),
        segmentation=PartConfig("three_ways-toytown-tiny"),
    )


def test_what_is_said_of_one_training_is_stronger_than_what_is_said_of_all() -> None:
    wheel = config()
    depth, classes = (asked_settings(wheel, part) for part in (wheel.depth, wheel.segmentation))
    assert (depth.method, depth.train.steps, depth.train.seed) == ("depth", 9, 2)
    assert (classes.method, classes.train.steps, classes.train.seed) == ("three_ways", 5, 2)


def frames(*splits: str) -> Manifest:
    """Every second one has measured depth beside its label."""
    rows = [
        FrameRow(f"{k}.png", "a", k, split=split, label="l.png", depth="d.png" if k % 2 else "")
        for k, split in enumerate(splits)
    ]
    return Manifest(rows, Path("data"))


def test_held_back_frames_have_both_truths_where_any_has(caplog: pytest.LogCaptureFixture) -> None:
    data = frames("train", "train", "val", "val", "val")
    assert [row.position for row in held_back(config(), data)] == [3]
    alone = data.changed(lambda row: FrameRow(row.image, row.sequence, row.position, split=row.split, label=row.label))
    assert [row.position for row in held_back(config(), alone)] == [2, 3, 4]
    with caplog.at_level(logging.WARNING, "vergence"):
        assert [row.position for row in held_back(config(), frames("train", "train"))] == [1]
    assert "scores are on frames that were trained on" in caplog.text
