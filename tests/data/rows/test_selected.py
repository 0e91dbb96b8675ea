"""Labels of a selection come back into the whole video."""

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.selected import frames_of_selection, joined, with_label


def test_labels_that_were_made_are_joined_where_images_are_the_same(tmp_path):
    names = ["0.png", "1.png", "2.png"]
    whole = Manifest([FrameRow(f"video/{name}", "v", k) for k, name in enumerate(names)], tmp_path)
    part = Manifest(
        [
            FrameRow("../video/1.png", "v", 1, label="made.png", label_space="two:a#010203,b#040506"),
            FrameRow("../video/2.png", "v", 2, label="c.png", label_space="cityscapes19", label_origin="carried"),
        ],
        tmp_path / "chosen",
    )
    found = joined(part, whole)
    assert [row.label for row in found] == ["", str(tmp_path / "chosen" / "made.png"), ""]
    assert found[1].label_space == "two:a#010203,b#040506"
    assert [row.image for row in found] == [f"video/{name}" for name in names]


def test_a_label_by_hand_takes_the_place_of_a_carried_one():
    row = FrameRow("a.png", "a", 0, label="old.png", label_origin="carried", label_confidence="sure.png")
    new = with_label(row, "new.png", "cityscapes19")
    assert new.judges
    assert (new.label, new.label_space, new.label_confidence) == ("new.png", "cityscapes19", "")


def test_the_whole_lies_beside_the_list_of_a_selection(tmp_path):
    whole = Manifest([FrameRow("a.png", "a", 0), FrameRow("b.png", "a", 1)], tmp_path)
    assert frames_of_selection(tmp_path / "selection.parquet") is None
    whole.write(tmp_path / "frames.parquet")
    assert frames_of_selection(tmp_path / "other.parquet") is None
    assert [row.image for row in frames_of_selection(tmp_path / "selection.parquet")] == ["a.png", "b.png"]
