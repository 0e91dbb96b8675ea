"""When the frames of a video are shown, and which videos are refused."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.data.video_files import write_video
from vergence.data.videos.video import decode_video
from vergence.data.videos.video_times import VideoTimes, video_times
from vergence.errors import InputError

FIELD = Path(__file__).parents[4] / "shared" / "field" / "10-trimmed-video-edit-list"


@pytest.mark.skipif(not FIELD.is_dir(), reason="needs the field cases in ../shared/field")
def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path):
    assert decode_video(FIELD / "trim.mp4", tmp_path / "trim").positions == tuple(range(10))
    assert decode_video(FIELD / "plain.mp4", tmp_path / "plain").positions == tuple(range(30))
    assert video_times(FIELD / "trim.mp4") == VideoTimes(10, 10, 10.0)


@pytest.mark.parametrize(("across", "down"), [(10000, 1), (1, 10000)])
def test_pixels_far_from_square_are_refused(tmp_path, across, down):
    path = tmp_path / "a.mp4"
    write_video(path, aspect=Fraction(3, 2))
    data = bytearray(path.read_bytes())
    place = data.index(b"pasp") + 4
    data[place : place + 8] = across.to_bytes(4, "big") + down.to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(InputError, match="times as wide as high"):
        video_times(path)


def test_frames_larger_than_a_picture_may_be(tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4")
    monkeypatch.setenv("VERGENCE_MAX_MEGAPIXELS", "0.001")
    with pytest.raises(InputError, match="frames of 64x32, more than"):
        video_times(tmp_path / "a.mp4")


def test_a_codec_that_nobody_knows(tmp_path):
    write_video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes((tmp_path / "a.mp4").read_bytes().replace(b"avc1", b"q7Zz"))
    with pytest.raises(InputError, match=r"unknown codec|cannot be read as a video"):
        video_times(tmp_path / "a.mp4")
