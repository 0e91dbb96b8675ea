"""SCARED: raw stereo pairs become rectified ones, points become depth."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.layouts.stereo_endoscope import (
    CAMERAS,
    DISTANCE,
    HEIGHT,
    WIDTH,
    raw_pair,
    write_points,
)
from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.imaging.float_tiff import read_float_tiff
from vergence.data.imaging.images import frame_depth
from vergence.data.layouts import recognise
from vergence.data.layouts.rectification import Rectification
from vergence.data.layouts.scared import scared
from vergence.data.videos.video_writer import write_video
from vergence.errors import InputError
from vergence.geometry.warp import synthesize_view


def calibration_json(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    matrices = {name: getattr(CAMERAS, name).tolist() for name in ("KL", "KR", "R", "T")}
    bends = {"DL": [CAMERAS.DL.tolist()], "DR": [CAMERAS.DR.tolist()]}
    path.write_text(json.dumps({"camera-calibration": {**matrices, **bends}, "camera-pose": np.eye(4).tolist()}))


def keyframe(root, form="folders", count=2):
    folder = root / "dataset_1" / "keyframe_2"
    left, right, points = raw_pair()
    calibration_json(folder / "data" / "frame_data" / "frame_data000000.json")
    if form == "folders":
        for number in range(count):
            for side, image in (("left", left), ("right", right)):
                (folder / "data" / side).mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / "data" / side / f"{number:06d}.png")
        both = np.concatenate([points, points + 1])  # both cameras in one file: the upper half is the left one
        write_points(folder / "data" / "scene_points" / "scene_points000001.tiff", both, "deflate")
    if form == "video":
        stacked = np.concatenate([left, right])
        write_video(folder / "data" / "rgb.mp4", (stacked for _ in range(count)), 25.0)
    return folder


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    root = tmp_path_factory.mktemp("scared")
    keyframe(root)
    return root, scared(root)


def test_rows(indexed):
    root, found = indexed
    row = found[1]
    assert (row.image, row.stereo) == (
        "dataset_1/keyframe_2/left/000001.jpg",
        "dataset_1/keyframe_2/right/000001.jpg",
    )
    assert (row.sequence, row.position, row.split, found.root) == (
        "dataset_1/keyframe_2",
        1,
        "train",
        root / "rectified",
    )
    assert row.baseline == pytest.approx(np.linalg.norm(CAMERAS.T) / 1000)
    assert (found[0].depth, row.depth) == ("", "dataset_1/keyframe_2/depth/000001.npz")
    assert row.fx * WIDTH == pytest.approx(row.fy * HEIGHT) == pytest.approx((110 + 112 + 108 + 109) / 4)


def rectified_depth():
    """Depth (H, W) in metres of the wall, in the rectified left camera."""
    turned = Rectification.of(CAMERAS, HEIGHT, WIDTH)
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    directions = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(turned.K).T @ turned.left
    return (DISTANCE / directions[..., 2] / 1000).astype(np.float32)


def test_the_rectified_partner_explains_the_target(indexed):
    options = FrameOptions(height=HEIGHT, width=WIDTH, offsets=("s",), flip=1.0, flip_vertical=1.0, jitter=0.0)
    depth = torch.from_numpy(rectified_depth())[None, None]
    for train in (False, True):
        sample = FrameDataset(indexed[1], options, train=train)[0]
        frames, K = sample["frames"][None] / 255, sample["intrinsics"][None]
        shown = depth.flip(-1, -2) if train else depth
        warped, inside = synthesize_view(
            frames[:, 1:], shown, K[:, 0], K[:, 1:], sample["stereo_transform"][None, None]
        )
        error = ((warped[:, 0] - frames[:, 0]).abs() * inside[:, 0])[..., 12:-12, 14:-14]
        assert error.mean() < 0.01
        apart = (frames[:, 1] - frames[:, 0]).abs()[..., 12:-12, 14:-14].mean()
        assert apart > 10 * error.mean()


def test_points_become_depth(indexed):
    depth = frame_depth(indexed[1], 1)
    measured = depth > 0
    assert measured[12:-12, 14:-14].mean() > 0.8
    np.testing.assert_allclose(depth[measured], rectified_depth()[measured], rtol=0.01)


def test_frames_are_rectified_once(indexed):
    root, first = indexed
    place = root / "rectified" / first[0].image
    os.utime(place, (1, 1))
    assert scared(root).rows == first.rows
    assert place.stat().st_mtime == 1
    assert all(not row.depth for row in scared(root, depth=False))
    assert place.stat().st_mtime > 1
    assert scared(root).rows == first.rows


def test_a_video_with_left_above_right(tmp_path, indexed):
    keyframe(tmp_path, "video", count=5)
    found = scared(tmp_path, frames=str(tmp_path / "out"), step=2)
    assert [(row.image[-10:], row.position) for row in found] == [
        ("000000.jpg", 0), ("000002.jpg", 1), ("000004.jpg", 2),
    ]  # fmt: skip
    expected = np.asarray(Image.open(indexed[1].path(0))).astype(float)
    got = np.asarray(Image.open(found.path(0))).astype(float)
    assert np.abs(expected - got)[5:-5, 5:-5].mean() < 12  # a video keeps less of the colours


def test_keyframes_alone_and_the_split_of_the_challenge(tmp_path):
    left, right, points = raw_pair()
    for name in ("dataset_1/keyframe_1", "dataset_8/keyframe_1"):
        folder = tmp_path / name
        calibration_json(folder / "frame_data.json")
        Image.fromarray(left).save(folder / "Left_Image.png")
        Image.fromarray(right).save(folder / "Right_Image.png")
        np.save(folder / "left_depth_map.npy", points)
    found = scared(tmp_path)
    assert [(row.sequence, row.split) for row in found] == [
        ("dataset_1/keyframe_1", "train"), ("dataset_8/keyframe_1", "test"),
    ]  # fmt: skip
    assert all(row.depth for row in found)
    assert recognise(tmp_path) == "scared"


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no keyframes"):
        scared(tmp_path)
    folder = tmp_path / "dataset_1" / "keyframe_1"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=r"has no endoscope_calibration.yaml or frame_data\*.json"):
        scared(tmp_path)
    calibration_json(folder / "data" / "frame_data000000.json")
    with pytest.raises(InputError, match="holds no frames"):
        scared(tmp_path)
    with pytest.raises(InputError, match="step is 0"):
        scared(tmp_path, step=0)
    left, right, _ = raw_pair()
    Image.fromarray(left).save(folder / "Left_Image.png")
    Image.fromarray(right[1:]).save(folder / "Right_Image.png")
    with pytest.raises(InputError, match="frames need one size"):
        scared(tmp_path)
    Image.fromarray(right).save(folder / "Right_Image.png")
    np.save(folder / "left_depth_map.npy", np.ones((4, 4, 3)))
    with pytest.raises(InputError, match=r"has shape \(4, 4, 3\)"):
        scared(tmp_path)
    (tmp_path / "torn.tiff").write_bytes(b"II*\0\x08\0\0\0\xff\xff")
    with pytest.raises(InputError, match="no TIFF that can be read"):
        read_float_tiff(tmp_path / "torn.tiff")
    Image.fromarray(left).save(tmp_path / "bytes.tiff")
    with pytest.raises(InputError, match=r"no float32 numbers|no TIFF"):
        read_float_tiff(tmp_path / "bytes.tiff")
    with pytest.raises(InputError, match="does not exist"):
        read_float_tiff(tmp_path / "none.tiff")
