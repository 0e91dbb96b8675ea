"""Sweeps of the scanner become sparse depth files, once."""

import numpy as np
import pytest

from tests.data.layouts.kitti_day import DRIVE, FRAMES
from vergence.data.images import read_depth
from vergence.data.layouts.kitti_raw import kitti_raw


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
