import os

import numpy as np
import pytest

from vergence.data.pointcloud import PointCloud, depth_to_points, read_ply, write_ply
from vergence.errors import InputError


def test_round_trip_keeps_points_colours_and_the_unit_in_the_header(tmp_path):
    random = np.random.default_rng(0)
    cloud = PointCloud(
        random.normal(size=(37, 3)).astype(np.float32), random.integers(0, 256, (37, 3)).astype(np.uint8)
    )
    path = write_ply(tmp_path / "new" / "cloud.ply", cloud, "depth in metres")
    back = read_ply(path)
    np.testing.assert_array_equal(back.points, cloud.points)
    np.testing.assert_array_equal(back.colours, cloud.colours)
    header = path.read_bytes().split(b"end_header\n")[0]
    assert b"comment depth in metres\n" in header
    assert path.stat().st_size == len(header) + len(b"end_header\n") + 37 * 15


def test_round_trip_without_colours_and_without_points(tmp_path):
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    back = read_ply(write_ply(tmp_path / "a.ply", PointCloud(points, None)))
    np.testing.assert_array_equal(back.points, points)
    assert back.colours is None
    empty = PointCloud(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))
    assert read_ply(write_ply(tmp_path / "b.ply", empty)).points.shape == (0, 3)


def test_ascii_files_of_other_programs_are_read(tmp_path):
    path = tmp_path / "ascii.ply"
    path.write_text(
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty double x\nproperty double y\nproperty double z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n1 2 3 10 20 30\n-1.5 0 4 255 0 1\n3 0 1 0\n"
    )
    cloud = read_ply(path)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [-1.5, 0, 4]])
    np.testing.assert_array_equal(cloud.colours, [[10, 20, 30], [255, 0, 1]])


def test_back_projection_by_hand():
    # fx = fy = 4, cx = 1.5, cy = 0.5 pixels: pixel (3, 0) at depth 2 lies at ((3 - 1.5) / 4 * 2, (0 - 0.5) / 4 * 2, 2)
    depth = np.array([[1.0, 0.0, np.nan, 2.0], [9.0, 3.0, -1.0, np.inf]])
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    cloud = depth_to_points(depth, (1.0, 2.0, 1.5 / 4, 0.25), image, farthest=3.0)
    np.testing.assert_allclose(
        cloud.points, [[-0.375, -0.125, 1.0], [0.75, -0.25, 2.0], [-0.375, 0.375, 3.0]], atol=1e-7
    )
    np.testing.assert_array_equal(cloud.colours, image[[0, 0, 1], [0, 3, 1]])


def test_wrong_shapes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\(2, 2, 1\)"):
        depth_to_points(np.ones((2, 2, 1)), (1, 1, 0.5, 0.5))
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        write_ply(tmp_path / "a.ply", PointCloud(np.ones((4, 2), np.float32), None))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n", "not a PLY file"),
        (b"ply\nformat binary_little_endian 1.0\n", "does not end"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "x, y and z"),
        (
            b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\nproperty float y\n"
            b"property float z\nend_header\n" + bytes(30),
            "2 of 9 points",
        ),
        (
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
            b"end_header\n1 two 3\n",
            "not numbers",
        ),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "bad.ply"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_ply(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_unwritable_folder(tmp_path):
    with pytest.raises(InputError, match=r"none\.ply"):
        read_ply(tmp_path / "none.ply")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        write_ply(tmp_path / "file" / "a.ply", PointCloud(np.ones((1, 3), np.float32), None))
    assert os.listdir(tmp_path) == ["file"]
