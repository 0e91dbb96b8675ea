"""What of a row makes sense and what does not."""

import math

import numpy as np
import pytest

from vergence.data.manifest import FrameRow, Manifest, format_pose
from vergence.errors import InputError


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


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": "a/.."}, "its image is no file"),
        ({"image": "//"}, "its image is no file"),
        ({"label": "a\0b"}, "zero byte"),
        ({"label_origin": "dreamt"}, "label_origin is 'dreamt'"),
        ({"depth_unit": "miles"}, "depth_unit is 'miles'"),
        ({"depth_scale": -1.0}, "depth_scale is -1"),
        ({"depth_scale": 5.0, "depth_unit": "metres"}, "give one of them"),
        ({"depth_scale": math.inf}, "depth_scale is inf"),
        ({"fps": -1.0}, "fps is -1"),
        ({"fps": math.inf}, "fps is inf"),
        ({"width": 2_000_000, "height": 1}, "is of no picture"),
        ({"height": 5}, "0x5 makes no sense"),
        ({"lens": "kb4", "stereo": "s.png"}, "a stereo pair must be rectified"),
        ({"lens": "kb4"}, "frame 'bad.png'"),
        ({"pose": " ".join(["1"] * 11)}, "12 finite numbers"),
    ],
)
def test_the_wrong_row_is_found_among_many_different_ones(tmp_path, columns, words):
    good = [
        FrameRow(f"{k}.png", "a", k, fx=0.5 + k * 1e-6, fy=1, cx=0.5, cy=0.5, pose=format_pose(np.eye(4) * (k + 1)))
        for k in range(5000)
    ]
    bad = FrameRow(**({"image": "bad.png", "sequence": "b", "position": 0} | columns))
    Manifest([*good, FrameRow("fine.png", "b", 0, fps=0.0)], tmp_path)
    with pytest.raises(InputError, match=words):
        Manifest([*good, bad], tmp_path)


def test_the_first_wrong_row_is_the_one_that_is_named(tmp_path):
    wrong = [FrameRow("0.png", "a", 0), FrameRow("1.png", "a", 1, fps=-1.0), FrameRow("2.png", "a", 2, label="\0")]
    with pytest.raises(InputError, match=r"1\.png.*fps"):
        Manifest(wrong, tmp_path)


def test_a_pose_may_be_written_in_any_way_that_is_twelve_numbers(tmp_path):
    for pose in ("1 0 0 0 0 1 0 0 0 0 1 0", " 1  0 0 0\t0 +1 0 0 0 0 1e0 0 "):
        Manifest([FrameRow("0.png", "a", 0, pose=pose)], tmp_path)
