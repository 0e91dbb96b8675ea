"""KITTI 2015 in both its forms."""

import math

import pytest

from tests.data.layouts.kitti_day import SIZE, line, projection
from vergence.data.layouts.kitti2015 import kitti2015
from vergence.errors import InputError


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
