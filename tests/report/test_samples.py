"""Frames for a report."""

import numpy as np

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.report.samples import choose_frames, relative_error


def test_relative_error_by_hand():
    truth = np.array([[2.0, 0.0], [4.0, 5.0]], np.float32)
    error = relative_error(np.full((2, 2), 0.25), truth)
    np.testing.assert_allclose(error, [[1.0, np.nan], [0.0, 0.2]])


def test_frames_for_pictures_have_truth_and_neighbours_where_possible():
    rows = [FrameRow(f"{k}.png", "s", k, depth="d.npy" if k in (0, 3, 4, 9) else "") for k in range(10)]
    assert choose_frames(Manifest(rows, "/"), (-1, 1), 5) == [0, 3, 4, 9]
    assert choose_frames(Manifest(rows, "/"), (-1, 1), 1) == [4]
    assert choose_frames(Manifest(rows, "/"), ("s",), 5) == [0, 3, 4, 9]
    bare = [FrameRow(f"{k}.png", "s", k) for k in range(4)]
    assert choose_frames(Manifest(bare, "/"), (-1, 1), 2) == [1, 3]
    assert choose_frames(Manifest([*bare, FrameRow("9.png", "t", 9, depth="d.npy")], "/"), (-1, 1), 4) == [4]
    assert choose_frames(Manifest([*rows, FrameRow("9.png", "t", 9, depth="d.npy")], "/"), (-1, 1), 9) == [0, 3, 4, 9]
