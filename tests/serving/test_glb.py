"""Points as binary glTF, read again as its specification says."""

import json
import struct

import numpy as np
import pytest

from vergence.serving.glb import glb


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
