"""Names of frames in annotators: readable, flat, and never the same for two frames."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vergence.data.annotation.names import FrameNames, frame_name
from vergence.data.rows.frame_row import FrameRow

WORDS = st.text(st.sampled_from("ab_-. /é0"), max_size=5)


STEMS = st.text(st.sampled_from("ab_0123"), min_size=1, max_size=6)


def test_plain_names_are_kept() -> None:
    assert frame_name(FrameRow("x/000012.png", "street003", 12)) == "street003__000012"
    assert frame_name(FrameRow("x/000012.png", "street003", 12, camera="left")) == "street003__left__000012"
    name = frame_name(FrameRow("aachen_000000_000019_leftImg8bit.png", "aachen_000000", 19))
    assert name == "aachen_000000__aachen_000000_000019_leftImg8bit"
    assert frame_name(FrameRow("x/first.jpg", "tour", 4)) == "tour__first__p4"


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 30), STEMS), max_size=8, unique_by=lambda row: row[:3]))
def test_names_differ_and_lead_back(values: list[tuple[str, str, int, str]]) -> None:
    rows = [FrameRow(f"{stem}.png", sequence, position, camera=camera) for sequence, camera, position, stem in values]
    names = FrameNames(rows)
    assert len(names.exact) == len(rows)
    for index, row in enumerate(rows):
        name = frame_name(row)
        assert "/" not in name
        assert not name.startswith(".")
        assert names.find(name) == index


def test_names_that_tools_change() -> None:
    rows = [FrameRow("a/my frame (1).jpg", "a", 0), FrameRow("a/90fbb0c0-x.jpg", "a", 1), FrameRow("a/x.jpg", "a", 2)]
    names = FrameNames(rows)
    assert names.find("upload/1/0a1b2c3d-my_frame_1") == 0
    assert names.find("90fbb0c0-x") == 1  # its own name
    assert names.find("11fbb0c0-x") == 2
    assert names.find(r"D:\data\x") == 2
    with pytest.raises(LookupError, match="no frame in the manifest"):
        names.find("0a1b2c3d-y")


def video(first: int, count: int) -> list[FrameRow]:
    """Frames as they are decoded from a video file."""
    return [FrameRow(f"v/{k:06d}.jpg", "drive", k, camera="drive") for k in range(first, first + count)]


def test_frames_of_a_video_task_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "vergence"):
        assert FrameNames(video(0, 9)).find("frame_000005") == 5
    assert "frame 5 is v/000005.jpg" in caplog.text
    assert FrameNames(video(0, 9)[::-1]).find("frame_000005") == 3
    assert FrameNames(video(3, 4)).find("frame_000005") == 2  # a part that was chosen
    folder = [FrameRow(f"v/shot_{k:04d}.png", "v", k, camera="main") for k in range(1, 8)]
    assert FrameNames(folder).find("frame_000005") == 5  # the sixth, which the folder calls 6
    own = [FrameRow(f"v/frame_{k:06d}.png", "v", k, camera="main") for k in range(1, 8)]
    assert FrameNames(own).find("frame_000005") == 4  # called so itself


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (video(0, 4), "frame 5 of a video, of which the manifest has 4 frames"),
        ([*video(0, 9), FrameRow("w/0.jpg", "w", 0)], "has several sequences"),
        ([FrameRow(f"v/{k}.png", "v", k, camera="main") for k in (0, 1, 2, 4, 6)], "leaves out frames"),
        ([], "no frame in the manifest"),
    ],
)
def test_frames_of_a_video_that_cannot_be_counted(rows: list[FrameRow], said: str) -> None:
    with pytest.raises(LookupError, match=said):
        FrameNames(rows).find("frame_000005")


def test_names_of_roboflow() -> None:
    rows = [FrameRow("a/drive_0000.jpg", "a", 0), FrameRow("a/drive_0001.jpg", "a", 1)]
    assert FrameNames(rows).find("drive_0001_jpg.rf.0a1b2c3d4e5f") == 1


def test_letters_with_marks_are_the_same_in_both_forms() -> None:
    rows = [FrameRow("images/stra\u00dfe_u\u0308.jpg", "one", 0), FrameRow("images/b\u00e4r.jpg", "one", 1)]
    assert FrameNames(rows).find("stra\u00dfe_\u00fc") == 0
    assert FrameNames(rows).find("images/ba\u0308r") == 1


def test_names_of_servers_that_write_spaces_as_numbers() -> None:
    names = FrameNames([FrameRow("a/my drive.jpg", "a", 0), FrameRow("a/50%25.jpg", "a", 1)])
    assert names.find("images/90fbb0c0-my%20drive") == 0
    assert names.find("50%25") == 1
