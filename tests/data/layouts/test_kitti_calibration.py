"""KITTI's calibration files and the published constants."""

import pytest

from tests.data.layouts.kitti_day import DAY
from vergence.data.layouts.kitti_raw import kitti_raw
from vergence.errors import InputError


def test_raw_published_intrinsics(raw):
    row = kitti_raw(raw, intrinsics="published")[0]
    assert (row.fx, row.fy, row.cx, row.cy, row.baseline) == (0.58, 1.92, 0.5, 0.5, 0.54)


def test_raw_without_calibration(raw):
    (raw / DAY / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(InputError, match="intrinsics='published'"):
        kitti_raw(raw)
    assert kitti_raw(raw, intrinsics="published")[0].fx == 0.58


def test_raw_calibration_without_a_matrix(raw):
    (raw / DAY / "calib_cam_to_cam.txt").write_text("P_rect_00: 1 2 3\n")
    with pytest.raises(InputError, match="no valid P_rect_00"):
        kitti_raw(raw)
