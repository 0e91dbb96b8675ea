"""SCARED: raw stereo pairs become rectified ones, points become depth."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from vergence.data.dataset import FrameDataset, FrameOptions
from vergence.data.float_tiff import read_float_tiff
from vergence.data.images import frame_depth
from vergence.data.layouts import recognise
from vergence.data.layouts.rectification import Rectification, StereoCalibration, read_stereo_calibration
from vergence.data.layouts.scared import scared
from vergence.data.video_writer import write_video
from vergence.errors import InputError
from vergence.geometry.warp import synthesize_view

HEIGHT, WIDTH, DISTANCE = 96, 128, 90.0  # a wall 9 cm away, in millimetres


def rotation(x, y, z):
    """Small turns about the three axes."""
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn, _, other = np.linalg.svd(np.eye(3) + cross)
    return turn @ other


CAMERAS = StereoCalibration(
    KL=np.array([[110.0, 0, 66], [0, 112, 50], [0, 0, 1]]),
    DL=np.array([-0.08, 0.02, 0.002, -0.001, 0.0]),
    KR=np.array([[108.0, 0, 61], [0, 109, 46], [0, 0, 1]]),
    DR=np.array([0.05, -0.01, -0.001, 0.002, 0.0]),
    R=rotation(0.02, -0.03, 0.025),
    T=np.array([-4.2, 0.15, -0.1]),
)


def rays(K, bend):
    """Directions (H, W, 3) that the pixels of a raw frame look along: the distortion, undone by iteration."""
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    x0, y0 = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
    x, y = x0.copy(), y0.copy()
    k1, k2, p1, p2, k3 = bend
    for _ in range(30):
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        x = (x0 - 2 * p1 * x * y - p2 * (r2 + 2 * x * x)) / radial
        y = (y0 - p1 * (r2 + 2 * y * y) - 2 * p2 * x * y) / radial
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def wall(points):
    x, y = points[..., 0] / 9, points[..., 1] / 9
    waves = [np.sin(2 * x + y), np.sin(1.5 * y - 1.2 * x + 1), np.cos(1.8 * x + 2) * np.cos(1.3 * y)]
    return np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def raw_pair():
    """Left and right picture of the wall, and the points (H, W, 3) that the left one shows."""
    points = rays(CAMERAS.KL, CAMERAS.DL) * DISTANCE
    directions = rays(CAMERAS.KR, CAMERAS.DR) @ CAMERAS.R
    centre = -CAMERAS.R.T @ CAMERAS.T
    seen = centre + directions * ((DISTANCE - centre[2]) / directions[..., 2:])
    return wall(points), wall(seen), points.astype(np.float32)


def calibration_json(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    matrices = {name: getattr(CAMERAS, name).tolist() for name in ("KL", "KR", "R", "T")}
    bends = {"DL": [CAMERAS.DL.tolist()], "DR": [CAMERAS.DR.tolist()]}
    path.write_text(json.dumps({"camera-calibration": {**matrices, **bends}, "camera-pose": np.eye(4).tolist()}))


def write_points(path, values, compression="raw"):
    """A TIFF of float32 written by hand: one strip, tags in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, channels = values.shape
    strip = values.astype("<f4").tobytes()
    code = {"raw": 1, "deflate": 8}[compression]
    if compression == "deflate":
        strip = zlib.compress(strip)
    extra = 8 + len(strip)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, extra), (259, 3, 1, code), (262, 3, 1, 2),
        (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(strip)), (284, 3, 1, 1),
        (339, 3, 3, extra + 6),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    numbers = struct.pack("<6H", 32, 32, 32, 3, 3, 3)
    path.write_bytes(b"II*\0" + struct.pack("<I", extra + 12) + strip + numbers + directory)


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


def test_opencv_calibration(tmp_path):
    text = "%YAML:1.0\n---\n"
    names = {"M1": CAMERAS.KL, "D1": CAMERAS.DL[:4], "M2": CAMERAS.KR, "D2": CAMERAS.DR, "R": CAMERAS.R, "T": CAMERAS.T}
    for name, values in names.items():
        numbers = ", ".join(f"{value:.9e}" for value in values.ravel())
        cols = values.size // len(values)
        text += f"{name}: !!opencv-matrix\n   rows: {len(values)}\n   cols: {cols}\n   dt: d\n   data: [ {numbers} ]\n"
    (tmp_path / "endoscope_calibration.yaml").write_text(text)
    found = read_stereo_calibration(tmp_path / "endoscope_calibration.yaml")
    for name in ("KL", "DL", "KR", "DR", "R", "T"):
        np.testing.assert_allclose(getattr(found, name), getattr(CAMERAS, name), atol=1e-8)
    (tmp_path / "endoscope_calibration.yaml").write_text(text.replace("M2", "M3"))
    with pytest.raises(InputError, match="no calibration of two cameras"):
        read_stereo_calibration(tmp_path / "endoscope_calibration.yaml")


def test_a_rectified_pair_stays_as_it_is():
    K = np.array([[100.0, 0, 60], [0, 100, 40], [0, 0, 1]])
    same = StereoCalibration(K, np.zeros(5), K, np.zeros(5), np.eye(3), np.array([-5.0, 0, 0]))
    found = Rectification.of(same, HEIGHT, WIDTH)
    image = raw_pair()[0]
    np.testing.assert_array_equal(found.image(image, "left"), image)
    np.testing.assert_array_equal(found.image(image, "right"), image)
    assert found.baseline == 5.0
    mirrored = StereoCalibration(K, np.zeros(5), K, np.zeros(5), np.eye(3), np.array([5.0, 0, 0]))
    assert Rectification.of(mirrored, HEIGHT, WIDTH).baseline == -5.0
    with pytest.raises(ValueError, match="frame of"):
        found.image(image[1:], "left")


@pytest.mark.parametrize("compression", ["raw", "deflate"])
def test_float_tiff(tmp_path, compression):
    values = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(np.float32)
    write_points(tmp_path / "a.tiff", values, compression)
    np.testing.assert_array_equal(read_float_tiff(tmp_path / "a.tiff"), values)


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
