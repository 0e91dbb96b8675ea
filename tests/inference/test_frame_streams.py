"""What a prediction looks at, and what its results are called."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.videos.video_writer import write_video
from vergence.inference.frame_streams import ManifestStream, VideoStream


@pytest.mark.parametrize(
    "images", [("a.jpg", "a.png"), ("A.png", "a.png"), ("../s/a.png", "../t/a.png"), ("a b/c.png", "a_b/c.png")]
)
def test_two_frames_never_share_a_name(images):
    rows = [FrameRow(image, sequence, 0) for image, sequence in zip(images, ("a b", "a_b"), strict=True)]
    names = ManifestStream(Manifest(rows, Path("/data"))).names
    assert len({name.casefold() for name in names}) == 2
    assert not any(name.startswith(("/", "..")) for name in names)


def test_a_frame_after_a_pause_does_not_follow(tmp_path, monkeypatch):
    positions = (0, 1, 2, 90, 91)
    video = VideoStream(write_video(tmp_path / "clip.mp4", [np.zeros((64, 64, 3), np.uint8)] * 5, 10.0))
    monkeypatch.setattr(VideoStream, "timed", lambda *_: ((Image.new("RGB", (64, 64)), place) for place in positions))
    assert [frame.follows for frame in video.frames()] == [False, True, True, False, True]
    assert [frame.follows for frame in video.frames(frozenset({"000001"}))] == [False, True, False, True]
    rows = Manifest([FrameRow(f"{place}.png", "drive", place) for place in positions], tmp_path)
    for row in rows:
        Image.new("RGB", (64, 64)).save(tmp_path / row.image)
    assert [frame.follows for frame in ManifestStream(rows).frames()] == [False, True, True, False, True]
