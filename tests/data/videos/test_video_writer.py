"""Pictures become a video, or one sentence."""

import pytest

from tests.data.small_world import picture
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError


def test_video_writer_refuses_what_cannot_be_a_video(tmp_path):
    with pytest.raises(InputError, match="at least one frame"):
        write_video(tmp_path / "a.mp4", [], 10)
    with pytest.raises(InputError, match="one size"):
        write_video(tmp_path / "a.mp4", [picture(1), picture(1, 10, 20)], 10)
    assert not list(tmp_path.iterdir())
    assert write_video(tmp_path / "odd.mp4", [picture(1, 33, 65)] * 2, 10).stat().st_size > 0
