import json
import os
import struct

import numpy as np
import pytest

from tests.ply import read_ply
from vergence.data.measured.pointcloud import Cloud, depth_to_points, glb, write_ply
from vergence.errors import InputError


def test_round_trip_keeps_points_colours_and_the_unit_in_the_header(tmp_path):
    random = np.random.default_rng(0)
    cloud = Cloud(
        random.normal(size=(37, 3)).astype(np.float32),
        random.integers(0, 256, (37, 3)).astype(np.uint8),
        "depth in metres",
    )
    path = write_ply(tmp_path / "new" / "cloud.ply", cloud)
    back = read_ply(path)
    np.testing.assert_array_equal(back.points, cloud.points)
    np.testing.assert_array_equal(back.colours, cloud.colours)
    header = path.read_bytes().split(b"end_header\n")[0]
    assert b"comment depth in metres\n" in header
    assert path.stat().st_size == len(header) + len(b"end_header\n") + 37 * 15


def test_round_trip_without_colours_and_without_points(tmp_path):
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    back = read_ply(write_ply(tmp_path / "a.ply", Cloud(points, None)))
    np.testing.assert_array_equal(back.points, points)
    assert back.colours is None
    empty = Cloud(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))
    assert read_ply(write_ply(tmp_path / "b.ply", empty)).points.shape == (0, 3)


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
        write_ply(tmp_path / "a.ply", Cloud(np.ones((4, 2), np.float32), None))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        write_ply(tmp_path / "file" / "a.ply", Cloud(np.ones((1, 3), np.float32), None))
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
def test_points_and_colours(count: int) -> None:
    random = np.random.default_rng(count)
    points, colours = random.normal(size=(count, 3)), random.integers(0, 256, (count, 3), dtype=np.uint8)
    data = glb(points, colours)
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    told, kind = struct.unpack_from("<I4s", data, 12)
    assert (told % 4, kind) == (0, b"JSON")
    document = json.loads(data[20 : 20 + told])
    size, kind = struct.unpack_from("<I4s", data, 20 + told)
    assert (size % 4, kind, 28 + told + size) == (0, b"BIN\0", len(data))
    binary = data[28 + told :]
    found = []
    for accessor, dtype, width in zip(document["accessors"], ("<f4", "u1"), (3, 4), strict=True):
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteLength"] == count * width * np.dtype(dtype).itemsize
        found.append(np.frombuffer(binary, dtype, count * width, view["byteOffset"]).reshape(count, width))
    np.testing.assert_array_equal(found[0], (points * [1, -1, -1]).astype("f4"))
    np.testing.assert_array_equal(found[1][:, :3], colours)
    assert (found[1][:, 3] == 255).all()
    assert document["accessors"][0]["max"] == found[0].max(axis=0).tolist()


def test_what_is_no_cloud() -> None:
    with pytest.raises(ValueError, match="expected points"):
        glb(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.uint8))
