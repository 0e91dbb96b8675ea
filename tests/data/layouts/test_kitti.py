import math

import numpy as np
import pytest

from vergence.data.images import read_depth
from vergence.data.layouts.kitti2015 import kitti2015
from vergence.data.layouts.kitti_odometry import kitti_odometry
from vergence.data.layouts.kitti_raw import kitti_raw
from vergence.errors import InputError

DAY = "2011_09_26"
DRIVE = f"{DAY}/{DAY}_drive_0001_sync"
SIZE = (32, 16)
FRAMES = [f"{number:010d}.jpg" for number in range(6)]


def projection(x: float, cx: float = 15.0) -> np.ndarray:
    """P_rect of a camera at x metres to the right of camera 0."""
    return np.array([[24.0, 0, cx, -24.0 * x], [0, 25.0, 8.0, 0], [0, 0, 1, 0]])


def line(key: str, values: np.ndarray) -> str:
    return f"{key}: {' '.join(f'{value:e}' for value in np.ravel(values))}"


def write_day(folder) -> None:
    lines = ["calib_time: 09-Jan-2012 13:57:47", line("corner_dist", np.array([0.0995])), line("R_rect_00", np.eye(3))]
    lines += [line("S_rect_02", np.array(SIZE))]
    lines += [line(f"P_rect_{n:02d}", projection(x, 15.0 + n / 8)) for n, x in enumerate((0.0, 0.54, -0.06, 0.47))]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines))
    # scanner: x forward, y left, z up; 0.3 m ahead of the camera
    rotation = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    text = [line("R", rotation), line("T", np.array([0, 0, -0.3]))]
    (folder / "calib_velo_to_cam.txt").write_text("\n".join(text))


@pytest.fixture
def raw(tmp_path, put):
    for camera in ("02", "03"):
        put(tmp_path / DRIVE / f"image_{camera}" / "data", FRAMES, SIZE)
    write_day(tmp_path / DAY)
    return tmp_path


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


def test_raw_published_intrinsics(raw):
    row = kitti_raw(raw, intrinsics="published")[0]
    assert (row.fx, row.fy, row.cx, row.cy, row.baseline) == (0.58, 1.92, 0.5, 0.5, 0.54)


def test_raw_lists_keep_unlisted_frames_as_neighbours(raw):
    train = write_list(raw / "train_files.txt", f"{DRIVE} 1 l", f"{DRIVE} 0000000003 r", "")
    val = write_list(raw / "val_files.txt", f"{DRIVE} 4 l")
    manifest = kitti_raw(raw, lists=[train, val])
    assert len(manifest) == 12
    assert manifest.splits() == {"": 9, "train": 2, "val": 1}
    chosen = manifest.select("train")
    assert {(row.position, row.image.split("/")[2]) for row in chosen} == {(1, "image_02"), (3, "image_03")}
    assert len(chosen.with_neighbours((-1, 1, "s"))) == 2


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


def test_raw_without_calibration(raw):
    (raw / DAY / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(InputError, match="intrinsics='published'"):
        kitti_raw(raw)
    assert kitti_raw(raw, intrinsics="published")[0].fx == 0.58


def test_raw_calibration_without_a_matrix(raw):
    (raw / DAY / "calib_cam_to_cam.txt").write_text("P_rect_00: 1 2 3\n")
    with pytest.raises(InputError, match="no valid P_rect_00"):
        kitti_raw(raw)


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


def test_raw_improved_depth(raw, put):
    place = raw / "data_depth_annotated" / "train" / DRIVE.split("/")[1] / "proj_depth" / "groundtruth" / "image_02"
    put(place, ["0000000002.png"], SIZE, "I;16")
    manifest = kitti_raw(raw, depth="improved")
    assert [bool(row.depth) for row in manifest] == [False, False, True, False, False, False]
    assert manifest.path(2, "depth") == place / "0000000002.png"


@pytest.fixture
def odometry(tmp_path, put):
    for name, count in (("00", 30), ("09", 4), ("11", 4)):
        folder = tmp_path / "dataset" / "sequences" / name
        for camera in ("image_2", "image_3"):
            put(folder / camera, [f"{k:06d}.png" for k in range(count)], SIZE)
        centres = enumerate((0.0, 0.54, -0.06, 0.47))
        (folder / "calib.txt").write_text("\n".join(line(f"P{n}", projection(x)) for n, x in centres))
        (folder / "times.txt").write_text("\n".join(f"{k * 0.1037:e}" for k in range(count)))
    (tmp_path / "dataset" / "poses").mkdir()
    poses = [np.hstack([np.diag([-1.0, 1, -1]), [[k], [0], [2 * k]]]) for k in range(30)]
    text = "\n".join(" ".join(f"{value:e}" for value in pose.ravel()) for pose in poses)
    (tmp_path / "dataset" / "poses" / "00.txt").write_text(text)
    return tmp_path


def test_odometry(odometry):
    manifest = kitti_odometry(odometry)
    row = manifest[3]
    assert row.image == "dataset/sequences/00/image_2/000003.png"
    assert row.stereo == "dataset/sequences/00/image_3/000003.png"
    assert row.baseline == pytest.approx(0.53)
    assert row.fps == pytest.approx(1 / 0.1037, abs=1e-3)
    assert manifest.splits() == {"train": 22, "": 9, "val": 3, "test": 4}


def test_odometry_poses_are_of_the_camera_in_use(odometry):
    pose = kitti_odometry(odometry)[3].pose_matrix()
    # camera 2 sits 0.06 m to the left of camera 0, which looks backwards here: world x = 3 + 0.06
    np.testing.assert_allclose(pose[:3, 3], [3.06, 0, 6], atol=1e-6)
    np.testing.assert_allclose(pose[:3, :3], np.diag([-1.0, 1, -1]))
    assert kitti_odometry(odometry, sequences=["09"])[0].pose == ""


def test_odometry_too_few_poses(odometry):
    path = odometry / "dataset" / "poses" / "00.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:20]))
    with pytest.raises(InputError, match="20 poses"):
        kitti_odometry(odometry)


def test_odometry_missing_parts(odometry, tmp_path):
    with pytest.raises(InputError, match="image_0 holds no images"):
        kitti_odometry(odometry, camera=0)
    with pytest.raises(InputError, match="camera is 7"):
        kitti_odometry(odometry, camera=7)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no sequences"):
        kitti_odometry(tmp_path / "empty")


def test_kitti2015_both_forms(tmp_path, put, put_intrinsics):
    own, official = tmp_path / "own", tmp_path / "official" / "training"
    put(own / "image_left", ["000002.jpg", "000003.jpg"], SIZE)
    put(own / "image_right", ["000002.jpg", "000003.jpg"], SIZE)
    put(own / "disparity", ["000002.png", "000003.png"], SIZE, "I;16")
    put(own / "lidar_depth", ["000002.png"], SIZE, "I;16")
    put_intrinsics(own, "calib.json", baseline_m=0.53)
    manifest = kitti2015(own)
    assert [(row.disparity, row.depth) for row in manifest] == [
        ("disparity/000002.png", "lidar_depth/000002.png"),
        ("disparity/000003.png", ""),
    ]
    assert manifest.neighbour(0, 1) is None
    assert manifest.splits() == {"test": 2}
    assert not any(row.depth for row in kitti2015(own, truth="disparity"))
    assert not any(row.disparity for row in kitti2015(own, truth="lidar"))

    put(official / "image_2", ["000000_10.png", "000000_11.png", "000001_10.png"], SIZE)
    put(official / "image_3", ["000000_10.png", "000000_11.png"], SIZE)
    put(official / "disp_occ_0", ["000000_10.png", "000001_10.png"], SIZE, "I;16")
    (official / "calib_cam_to_cam").mkdir()
    lines = [line(f"P_rect_{n:02d}", projection(x)) for n, x in ((2, -0.06), (3, 0.47))]
    for number in (0, 1):
        (official / "calib_cam_to_cam" / f"{number:06d}.txt").write_text("\n".join(lines))
    rows = list(kitti2015(official.parent))
    assert [row.image for row in rows] == ["training/image_2/000000_10.png", "training/image_2/000001_10.png"]
    assert rows[0].baseline == pytest.approx(0.53)
    assert rows[1].stereo == ""


def test_kitti2015_bad_input(tmp_path, put):
    with pytest.raises(InputError, match="image_left"):
        kitti2015(tmp_path)
    put(tmp_path / "image_left", ["000002.jpg", "000003.jpg"], SIZE)
    with pytest.raises(InputError, match=r"calib\.json"):
        kitti2015(tmp_path)
    with pytest.raises(InputError, match="truth is 'both'"):
        kitti2015(tmp_path, truth="both")


def test_real_kitti2015(shared):
    manifest = kitti2015(shared / "depth_gt" / "kitti2015")
    assert len(manifest) == 63
    assert sum(bool(row.depth) for row in manifest) == 62
    assert all(manifest.path(k, "disparity").is_file() for k in range(63))
    assert not math.isnan(manifest[0].baseline)
