"""One row of a manifest."""

import numpy as np

from vergence.data.manifest import FrameRow, format_pose


def test_pose_column_is_the_matrix():
    pose = np.arange(16, dtype=np.float64).reshape(4, 4) / 3
    pose[3] = [0, 0, 0, 1]
    row = FrameRow("0.png", "a", 0, pose=format_pose(pose))
    np.testing.assert_array_equal(row.pose_matrix(), pose)
    assert FrameRow("0.png", "a", 0).pose_matrix() is None
