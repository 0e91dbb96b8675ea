"""KITTI raw: drives, split lists, calibration of the day, depth."""

import numpy as np
import pytest

from tests.data.layouts.kitti_day import DAY, DRIVE, FRAMES, SIZE
from tests.data.made_rows import with_neighbours
from vergence.data.imaging.images import read_depth
from vergence.data.layouts.kitti_raw import kitti_raw
from vergence.errors import InputError


def write_list(path, *lines: str):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_raw_reads_the_calibration_of_the_day(raw):
    row = kitti_raw(raw)[0]
    assert row.image == f"{DRIVE}/image_02/data/0000000000.jpg"
    assert (row.fx, row.fy, row.cx) == (24 / 32, 25 / 16, 15.25 / 32)
    assert row.stereo == f"{DRIVE}/image_03/data/0000000000.jpg"
    assert row.baseline == pytest.approx(0.53)
    assert row.stereo_cx == 15.375 / 32
    assert (row.fps, row.width, row.height) == (10, 32, 16)


def test_raw_right_camera_looks_back(raw):
    row = kitti_raw(raw, sides="r")[0]
    assert row.image == f"{DRIVE}/image_03/data/0000000000.jpg"
    assert row.baseline == pytest.approx(-0.53)


def test_raw_lists_keep_unlisted_frames_as_neighbours(raw):
    train = write_list(raw / "train_files.txt", f"{DRIVE} 1 l", f"{DRIVE} 0000000003 r", "")
    val = write_list(raw / "val_files.txt", f"{DRIVE} 4 l")
    manifest = kitti_raw(raw, lists=[train, val])
    assert len(manifest) == 12
    assert manifest.splits() == {"": 9, "train": 2, "val": 1}
    chosen = manifest.select("train")
    assert {(row.position, row.image.split("/")[2]) for row in chosen} == {(1, "image_02"), (3, "image_03")}
    assert len(with_neighbours(chosen, (-1, 1, "s"))) == 2


def test_raw_list_of_one_side_makes_rows_of_that_side(raw):
    manifest = kitti_raw(raw, lists={"train": write_list(raw / "zhou.txt", f"{DRIVE} 2 l")})
    assert {row.camera for row in manifest} == {f"{DAY}/l"}
    assert [row.split for row in manifest] == ["", "", "train", "", "", ""]


def test_raw_absent_frames_are_counted(raw):
    path = write_list(raw / "test_files.txt", f"{DRIVE} 2 l", f"{DRIVE} 77 l", f"{DAY}/nowhere_drive 0 l")
    with pytest.raises(InputError, match=rf"2 of 3 listed frames are not in .*, the first is {DRIVE} 77 l"):
        kitti_raw(raw, lists=path)
    assert kitti_raw(raw, lists=path, skip_missing=True).splits()["test"] == 1


@pytest.mark.parametrize("bad", ["drive 1", "drive one l", "drive 1 left", ""])
def test_raw_bad_list(raw, bad):
    with pytest.raises(InputError, match=r"test\.txt"):
        kitti_raw(raw, lists=write_list(raw / "test.txt", bad))


def test_raw_frame_in_two_lists(raw):
    lists = [write_list(raw / f"{name}.txt", f"{DRIVE} 1 l") for name in ("train", "val")]
    with pytest.raises(InputError, match="also in the list of 'train'"):
        kitti_raw(raw, lists=lists)


@pytest.mark.parametrize("options", [{"intrinsics": "mine"}, {"sides": "both"}, {"depth": "laser"}])
def test_raw_unknown_values(raw, options):
    with pytest.raises(InputError, match="use one of"):
        kitti_raw(raw, **options)


def test_raw_empty(tmp_path):
    with pytest.raises(InputError, match="no KITTI drives"):
        kitti_raw(tmp_path)


def test_raw_png_is_found_too(tmp_path, put):
    put(tmp_path / DRIVE / "image_02" / "data", [name.replace("jpg", "png") for name in FRAMES], SIZE)
    manifest = kitti_raw(tmp_path, intrinsics="published")
    assert len(manifest) == 6
    assert not manifest[0].stereo


def test_raw_improved_depth(raw, put):
    place = raw / "data_depth_annotated" / "train" / DRIVE.split("/")[1] / "proj_depth" / "groundtruth" / "image_02"
    put(place, ["0000000002.png"], SIZE, "I;16")
    manifest = kitti_raw(raw, depth="improved")
    assert [bool(row.depth) for row in manifest] == [False, False, True, False, False, False]
    assert manifest.path(2, "depth") == place / "0000000002.png"


@pytest.mark.parametrize(("form", "expected"), [("forward", 10.0), ("camera", 9.7)])
def test_raw_velodyne_is_projected_once(raw, form, expected):
    pytest.importorskip("vergence.geometry.lidar")
    sweeps = raw / DRIVE / "velodyne_points" / "data"
    sweeps.mkdir(parents=True)
    points = np.array([[10.0, 0, 0, 0.5], [-5, 0, 0, 0.5]], np.float32)  # straight ahead, and behind
    for name in FRAMES[:5]:
        points.tofile(sweeps / name.replace("jpg", "bin"))
    manifest = kitti_raw(raw, depth="velodyne", velodyne_depth=form, split=False)
    assert [bool(row.depth) for row in manifest] == [True] * 5 + [False]
    depth = read_depth(manifest.path(0, "depth"))
    assert depth.shape == (16, 32)
    assert depth[depth > 0] == pytest.approx([expected])
    before = manifest.path(0, "depth").stat().st_mtime_ns
    kitti_raw(raw, depth="velodyne", velodyne_depth=form, split=False)
    assert manifest.path(0, "depth").stat().st_mtime_ns == before
