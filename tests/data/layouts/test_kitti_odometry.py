"""KITTI odometry: sequences, poses of the camera in use, what is missing."""

import numpy as np
import pytest

from tests.data.layouts.kitti_day import SIZE, line, projection
from vergence.data.layouts.kitti_odometry import kitti_odometry
from vergence.errors import InputError


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
