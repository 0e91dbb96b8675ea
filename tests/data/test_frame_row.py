"""One row of a manifest: what makes sense and what does not."""

import math

import numpy as np
import pytest

from vergence.data.manifest import FrameRow, Manifest, format_pose
from vergence.errors import InputError


def test_pose_column_is_the_matrix():
    pose = np.arange(16, dtype=np.float64).reshape(4, 4) / 3
    pose[3] = [0, 0, 0, 1]
    row = FrameRow("0.png", "a", 0, pose=format_pose(pose))
    np.testing.assert_array_equal(row.pose_matrix(), pose)
    assert FrameRow("0.png", "a", 0).pose_matrix() is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"fx": 0.6}, "fx, fy, cx, cy must all"),
        ({"fx": math.inf, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 721.5, "fy": 721.5, "cx": 609.5, "cy": 172.8}, "divided by the image's width"),
        ({"fx": -0.6, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 0.0, "fy": 1, "cx": 0.5, "cy": 0.5}, "impossible"),
        ({"fx": 0.6, "fy": 1, "cx": 0.5, "cy": 0.5, "stereo_cx": 300.0}, "impossible"),
        ({"baseline": 0.0}, "baseline"),
        ({"baseline": 540.0}, "baseline"),
        ({"baseline": math.inf}, "baseline"),
        ({"pose": "1 2 3"}, "12 finite numbers"),
        ({"pose": " ".join(["nan"] * 12)}, "12 finite numbers"),
        ({"pose": "one two"}, "12 finite numbers"),
        ({"width": 640}, "640x0"),
        ({"width": -1, "height": -1}, "makes no sense"),
    ],
)
def test_impossible_values_name_the_frame(tmp_path, columns, words):
    with pytest.raises(InputError, match=words) as caught:
        Manifest([FrameRow("ok.png", "a", 0), FrameRow("bad.png", "a", 1, **columns)], tmp_path)
    assert "bad.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_without_image(tmp_path):
    with pytest.raises(InputError, match=r"label/3\.png has no image"):
        Manifest([FrameRow("", "a", 0, label="label/3.png")], tmp_path)
