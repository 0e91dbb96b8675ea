"""Single frames with files of the same names beside them."""

import dataclasses

import pytest

from vergence.data.layouts.stills import still_rows, with_column, without_odd_labels
from vergence.errors import InputError


def test_the_last_frames_in_natural_order_are_held_back(tmp_path, put):
    put(tmp_path / "images", ["2.png", "10.png", "1.png"])
    rows = still_rows(tmp_path, "images", val=1)
    assert [(row.sequence, row.position, row.split) for row in rows] == [
        ("1", 1, "train"),
        ("2", 2, "train"),
        ("10", 10, "val"),
    ]
    assert {(row.camera, row.width, row.height) for row in rows} == {("32x16", 32, 16)}
    for val in (3, -1):
        with pytest.raises(InputError, match="holds 3 images; hold fewer of them back"):
            still_rows(tmp_path, "images", val)


def test_files_of_the_same_name_fill_a_column(tmp_path, put):
    put(tmp_path / "images", ["a.jpg", "b.jpg"])
    put(tmp_path / "far", ["b.png", "c.png"], mode="I;16")
    rows = with_column(still_rows(tmp_path, "images"), tmp_path, "far", "depth", depth_unit="centimetres")
    assert [(row.depth, row.depth_unit) for row in rows] == [("", ""), ("far/b.png", "centimetres")]


def test_labels_of_another_size_take_their_frame_out(tmp_path, put, caplog):
    put(tmp_path / "images", ["a.png", "b.png"])
    put(tmp_path / "labels", ["a.png"], mode="L")
    put(tmp_path / "labels", ["b.png"], (16, 8), mode="L")
    rows = [dataclasses.replace(row, label=f"labels/{row.sequence}.png") for row in still_rows(tmp_path, "images")]
    assert [row.sequence for row in without_odd_labels(rows, tmp_path)] == ["a"]
    assert "1 frame(s) left out, whose label has another size: b.png" in caplog.text
