import logging
import math

import numpy as np
import pytest

from vergence.data.layouts import index_layout
from vergence.data.layouts.clips import driving_video, folder, folder_intrinsics, stereo_folders
from vergence.data.manifest import Manifest
from vergence.errors import InputError

FRAMES = [f"{number:06d}.jpg" for number in range(4)]


def test_plain_folder_is_one_sequence_in_natural_order(tmp_path, put):
    put(tmp_path / "walk", ["frame10.png", "frame9.png", "frame8.png", "notes.png.txt"[:-4]])
    manifest = folder(tmp_path / "walk")
    assert [row.image for row in manifest][:3] == ["frame8.png", "frame9.png", "frame10.png"]
    assert {row.sequence for row in manifest} == {"walk"}
    assert all(math.isnan(row.fx) for row in manifest)
    assert manifest[0].width == 32
    assert manifest[0].height == 16
    assert manifest.path(0).is_file()


def test_gap_in_the_numbers_stays_a_gap(tmp_path, put):
    put(tmp_path, ["000000.jpg", "000002.jpg", "000004.jpg", "000010.jpg", "000012.jpg"])
    assert [row.position for row in folder(tmp_path)] == [0, 1, 2, 5, 6]


def test_time_stamps_are_counted(tmp_path, put):
    put(tmp_path, ["1341846313553.png", "1341846313586.png", "1341846313621.png", "1341846313660.png"])
    assert [row.position for row in folder(tmp_path)] == [0, 1, 2, 3]


def test_sub_folders_are_sequences(tmp_path, put):
    put(tmp_path / "a", FRAMES)
    put(tmp_path / "b" / "deep", FRAMES)
    manifest = folder(tmp_path)
    assert [row.sequence for row in manifest] == ["a"] * 4 + ["b/deep"] * 4
    assert manifest.neighbour(3, 1) is None


def test_images_folder_alone_is_read(tmp_path, put):
    put(tmp_path / "images", FRAMES)
    put(tmp_path / "masks", FRAMES)
    assert [row.image for row in folder(tmp_path)] == [f"images/{name}" for name in FRAMES]


def test_cam_txt_of_a_scene_folder(tmp_path, put):
    put(tmp_path / "scene", FRAMES)
    (tmp_path / "scene" / "cam.txt").write_text("24 0 15\n0 25 8\n0 0 1\n")
    row = folder(tmp_path / "scene")[0]
    assert (row.fx, row.fy, row.cx, row.cy) == (24 / 32, 25 / 16, 15 / 32, 8 / 16)


def test_folder_with_intrinsics_poses_and_lidar(tmp_path, put, put_intrinsics):
    put(tmp_path / "images", FRAMES)
    put(tmp_path / "lidar_depth", ["000000.png", "000002.png"], mode="I;16")
    put_intrinsics(tmp_path)
    pose = np.eye(4)[:3]
    (tmp_path / "poses.txt").write_text("\n".join(" ".join(map(str, (pose + k).ravel())) for k in range(4)))
    manifest = folder_intrinsics(tmp_path)
    assert (manifest[0].fx, manifest[0].fps) == (0.75, 10)
    assert [row.depth for row in manifest] == ["lidar_depth/000000.png", "", "lidar_depth/000002.png", ""]
    np.testing.assert_allclose(manifest[2].pose_matrix()[:3], pose + 2)


def test_intrinsics_of_another_size_are_normalised(tmp_path, put, put_intrinsics):
    put(tmp_path / "images", FRAMES, size=(64, 32))
    put_intrinsics(tmp_path)
    row = folder_intrinsics(tmp_path)[0]
    assert (row.fx, row.cy, row.width) == (0.75, 0.5, 64)


def test_stereo_folders(tmp_path, put, put_intrinsics):
    put(tmp_path / "left", FRAMES)
    put(tmp_path / "right", FRAMES[:3])
    put_intrinsics(tmp_path, baseline_m=0.5, cx_right=16.0)
    manifest = stereo_folders(tmp_path)
    assert [row.stereo for row in manifest] == [*(f"right/{name}" for name in FRAMES[:3]), ""]
    assert (manifest[0].baseline, manifest[0].stereo_cx) == (0.5, 0.5)
    assert math.isnan(manifest[3].baseline)


def test_right_frames_as_targets_look_back_at_the_left(tmp_path, put, put_intrinsics):
    put(tmp_path / "left", FRAMES)
    put(tmp_path / "right", FRAMES)
    put_intrinsics(tmp_path, baseline_m=0.5, cx_right=16.0)
    rows = list(stereo_folders(tmp_path, right_as_target=True))
    assert len(rows) == 8
    assert (rows[4].image, rows[4].stereo) == ("right/000000.jpg", "left/000000.jpg")
    assert (rows[4].baseline, rows[4].cx, rows[4].stereo_cx) == (-0.5, 0.5, 15 / 32)


def test_stereo_without_baseline_is_mono_and_says_so(tmp_path, put, put_intrinsics, caplog):
    put(tmp_path / "left", FRAMES)
    put(tmp_path / "right", FRAMES)
    put_intrinsics(tmp_path)
    with caplog.at_level(logging.WARNING):
        manifest = stereo_folders(tmp_path)
    assert not any(row.stereo for row in manifest)
    assert "baseline_m" in caplog.text


def test_collection_keeps_cameras_and_sequences_apart(tmp_path, put, put_intrinsics):
    put(tmp_path / "one" / "images", FRAMES)
    put_intrinsics(tmp_path / "one")
    put(tmp_path / "two" / "left", FRAMES)
    put(tmp_path / "two" / "right", FRAMES)
    put_intrinsics(tmp_path / "two", baseline_m=0.2)
    (tmp_path / "unrelated").mkdir()
    manifest = driving_video(tmp_path)
    assert [row.sequence for row in manifest] == ["one"] * 4 + ["two"] * 4
    assert len({row.camera for row in manifest}) == 2
    assert manifest[4].stereo == "two/right/000000.jpg"
    assert all(manifest.path(k).is_file() for k in range(8))


def test_several_clips_with_sub_folders(tmp_path, put, put_intrinsics):
    for part in ("a", "b"):
        put(tmp_path / "one" / "images" / part, FRAMES)
    put_intrinsics(tmp_path / "one")
    assert {row.sequence for row in driving_video(tmp_path)} == {"one/a", "one/b"}


def test_written_manifest_reads_back(tmp_path, put, put_intrinsics):
    put(tmp_path / "clip" / "left", FRAMES)
    put(tmp_path / "clip" / "right", FRAMES)
    put_intrinsics(tmp_path / "clip", baseline_m=0.5)
    made = index_layout("stereo_folders", tmp_path / "clip", tmp_path / "out" / "manifest.parquet")
    read = Manifest.read(tmp_path / "out" / "manifest.parquet")
    assert read.path(2, "stereo").samefile(made.path(2, "stereo"))
    assert read.digest() == made.digest()


@pytest.mark.parametrize("layout", [folder, folder_intrinsics, stereo_folders, driving_video])
def test_empty_and_missing_folders(tmp_path, layout):
    with pytest.raises(InputError, match=r"holds no|has no images"):
        layout(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        layout(tmp_path / "nowhere")


def test_folder_without_images(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing to see")
    with pytest.raises(InputError, match="holds no images"):
        folder(tmp_path)


def test_one_frame(tmp_path, put):
    put(tmp_path, ["000000.jpg"])
    with pytest.raises(InputError, match="one frame only"):
        folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff"])
def test_broken_image_is_named(tmp_path, put, content):
    put(tmp_path, FRAMES)
    (tmp_path / "000002.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"000002\.jpg is (no image|empty|damaged)"):
        folder(tmp_path)


def test_right_without_left(tmp_path, put, put_intrinsics):
    put(tmp_path / "right", FRAMES)
    put_intrinsics(tmp_path, baseline_m=0.5)
    with pytest.raises(InputError, match="right/ but no frames in left/"):
        stereo_folders(tmp_path)
    put(tmp_path / "left", FRAMES[:2])
    with pytest.raises(InputError, match=r"2 frame\(s\) without a left counterpart, the first is 000002\.jpg"):
        stereo_folders(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": None, "cy": None}, "lacks fx, cy"),
        ({"fy": float("nan")}, "NaN is no number of JSON"),
        ({"cx": "wide"}, "cx is 'wide'"),
        ({"fx": 0.75}, "focal length"),
        ({"baseline_m": -0.5}, "baseline_m must be greater than 0"),
        ({"width": 32, "height": 32, "fy": 25.0}, "is 32x16, but intrinsics.json is for images of 1:1"),
    ],
)
def test_bad_intrinsics(tmp_path, put, put_intrinsics, changes, message):
    put(tmp_path / "images", FRAMES)
    put_intrinsics(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        folder_intrinsics(tmp_path)
    assert "intrinsics.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{"])
def test_intrinsics_that_are_no_object(tmp_path, put, text):
    put(tmp_path / "images", FRAMES)
    (tmp_path / "intrinsics.json").write_text(text)
    with pytest.raises(InputError, match=r"intrinsics\.json"):
        folder_intrinsics(tmp_path)


@pytest.mark.parametrize("text", ["1 2 3\n", "a b\n", "\n".join(["1 0 0 0 0 1 0 0 0 0 1 0"] * 3)])
def test_poses_that_do_not_fit(tmp_path, put, put_intrinsics, text):
    put(tmp_path / "images", FRAMES)
    put_intrinsics(tmp_path)
    (tmp_path / "poses.txt").write_text(text)
    with pytest.raises(InputError, match=r"poses\.txt"):
        folder_intrinsics(tmp_path)


def test_real_driving_video(shared):
    manifest = driving_video(shared / "driving_video")
    assert len(manifest) == 2495
    assert sum(bool(row.stereo) for row in manifest) == 991
    assert sum(bool(row.pose) for row in manifest) == 1005
    assert sum(bool(row.depth) for row in manifest) == 118
    assert all(row.intrinsics_known for row in manifest)
    assert manifest.splits() == {"train": 2197, "val": 298}
    row = next(row for row in manifest if row.sequence == "kitti_avenue")
    assert row.fx * 640 == pytest.approx(371.8069)
    assert row.baseline == pytest.approx(0.537151)


@pytest.mark.parametrize(
    "rows", ["24 0 15\n0 25 8\n7 7 7\n", "24 0 15\n0 25 8\n0 0 1\n0 0 1\n", "24 7 15\n0 25 8\n0 0 1\n"]
)
def test_cam_txt_that_is_no_camera_matrix(tmp_path, put, rows):
    put(tmp_path / "scene", FRAMES)
    (tmp_path / "scene" / "cam.txt").write_text(rows)
    with pytest.raises(InputError, match="it must hold a 3x3 camera matrix in pixels"):
        folder(tmp_path / "scene")


def test_a_calibration_of_opencv_without_distortion(tmp_path, put):
    put(tmp_path / "images", FRAMES)
    (tmp_path / "intrinsics.yaml").write_text(
        "%YAML:1.0\n---\nimage_width: 32\nimage_height: 16\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n"
        "   dt: d\n   data: [ 24., 0., 16., 0., 24., 8., 0., 0., 1. ]\n"
    )
    row = folder(tmp_path)[0]
    assert (row.fx, row.lens) == (0.75, "")
