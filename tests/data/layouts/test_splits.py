import logging

import pytest

from vergence.data.layouts.splits import GAP, assign_splits
from vergence.data.rows.frame_row import FrameRow


def rows(**sequences: int) -> list[FrameRow]:
    return [FrameRow(f"{name}/{k}.jpg", name, k) for name, count in sequences.items() for k in range(count)]


def test_single_sequence_is_cut_in_time_with_a_gap(caplog):
    with caplog.at_level(logging.INFO):
        splits = [row.split for row in assign_splits(rows(a=100), "walk")]
    assert splits == ["train"] * (90 - GAP) + [""] * GAP + ["val"] * 10
    assert "walk" in caplog.text
    assert "last 10 %" in caplog.text


def test_no_val_frame_is_a_neighbour_of_a_train_frame():
    done = assign_splits(rows(a=40, b=45), "two")
    places = {(row.sequence, row.position): row.split for row in done}
    for (sequence, position), split in places.items():
        if split == "val":
            assert all(places.get((sequence, position - k), "") != "train" for k in range(1, GAP + 1))
    assert {row.split for row in done} == {"train", "", "val"}


def test_whole_sequences_are_held_back_where_they_fit():
    done = assign_splits(rows(a=50, b=30, c10=5, c9=8), "many")
    held = {row.sequence for row in done if row.split == "val"}
    assert held == {"c10", "c9"}
    assert {row.split for row in done if row.sequence == "a"} == {"train"}


def test_few_frames_all_train():
    assert {row.split for row in assign_splits(rows(a=19), "few")} == {"train"}


def test_both_cameras_of_one_moment_fall_on_the_same_side():
    both = [FrameRow(f"{side}/{k}.jpg", "a", k, camera=side) for side in ("left", "right") for k in range(60)]
    splits: dict[int, set[str]] = {}
    for row in assign_splits(both, "stereo"):
        splits.setdefault(row.position, set()).add(row.split)
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize("count", [20, 57, 1000])
def test_share(count):
    done = assign_splits(rows(a=count), "x")
    assert sum(row.split == "val" for row in done) == round(count / 10)
