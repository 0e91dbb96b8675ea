import base64
import struct
import zlib

import numpy as np
import pytest

from vergence.data.imaging.images import read_depth
from vergence.data.structured import read_matrix
from vergence.errors import InputError

TYPES = {"u1": (2, 9), "u2": (4, 11), "f4": (7, 7), "f8": (9, 6)}
"""NumPy type -> element type, array class."""


SCIPY = (
    "DwAAADIAAAB4nONjYGCIAGI2IOaA0iDACuUzQTEjVC45MTe1KJGBgRPIVmCAgQ/2DFjBB3sAxecFgw8AAABIAAAAeJzjY2BgKABi"
    "NiDmgNIgwArlMwExMxAzAjEnEKekFpRkxOcmFkDVgcQMGGDggT2E5nAAUw0qDjCZs2eAoKoFypdxAADnKwx8"
)
"""What scipy.io.savemat writes after the header for a 2 x 2 ``camera`` and a 2 x 3 ``depth_map``, compressed."""


def element(kind: int, data: bytes, order: str) -> bytes:
    return struct.pack(f"{order}II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name: str, values: np.ndarray, order: str = "<", flags: int = 0) -> bytes:
    kind, array_class = TYPES[values.dtype.str[1:]]
    parts = [
        element(6, struct.pack(f"{order}II", array_class | flags << 8, 0), order),
        element(5, np.array(values.shape, dtype=f"{order}i4").tobytes(), order),
        element(1, name.encode(), order),
        element(kind, values.astype(values.dtype.newbyteorder(order)).tobytes(order="F"), order),
    ]
    return element(14, b"".join(parts), order)


def matlab_file(path, *elements: bytes, order: str = "<", compress: bool = False):
    body = b"".join(_compressed(one, order) if compress else one for one in elements)
    version = struct.pack(f"{order}H", 0x0100) + (b"IM" if order == "<" else b"MI")
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + version + body)
    return path


def _compressed(one: bytes, order: str) -> bytes:
    packed = zlib.compress(one)
    return struct.pack(f"{order}II", 15, len(packed)) + packed


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4", "f8"])
def test_matrices(tmp_path, order, compress, kind):
    values = np.arange(15).reshape(3, 5).astype(kind)
    other = matrix("camera", np.ones((2, 2)), order)
    path = matlab_file(tmp_path / "a.mat", other, matrix("depth_map", values, order), order=order, compress=compress)
    np.testing.assert_array_equal(read_matrix(path, "depth_map"), values)
    np.testing.assert_array_equal(read_matrix(path, "camera"), np.ones((2, 2)))


def test_file_of_another_program(tmp_path):
    path = matlab_file(tmp_path / "a.mat", base64.b64decode(SCIPY))
    assert read_matrix(path, "depth_map").tolist() == [[0.5, 10.25, 655.35], [3, 0, 7]]


def test_numbers_and_names_in_their_tags(tmp_path):
    """Data of four bytes or less share eight bytes with their tag; whole doubles are stored as small integers."""
    flags = element(6, struct.pack("<II", 6, 0), "<")
    shape = element(5, struct.pack("<ii", 1, 3), "<")
    name = struct.pack("<HH", 1, 2) + b"dm\0\0"
    values = struct.pack("<HH", 2, 3) + bytes([7, 8, 9, 0])
    path = matlab_file(tmp_path / "a.mat", element(14, flags + shape + name + values, "<"))
    assert read_matrix(path, "dm").tolist() == [[7, 8, 9]]


def test_depth(tmp_path):
    depth = np.array([[0.0, 12.5, np.nan], [655.35, np.inf, 900.0]])
    path = matlab_file(tmp_path / "a.mat", matrix("depth_map", depth))
    np.testing.assert_array_equal(read_depth(path), np.float32([[0, 12.5, 0], [655.35, 0, 900]]))
    np.testing.assert_allclose(read_depth(path, "centimetres")[0, 1], 0.125)
    with pytest.raises(InputError, match=r"shape \(2, 2, 2\), expected \(H, W\)"):
        read_depth(matlab_file(tmp_path / "b.mat", matrix("depth_map", np.ones((2, 2, 2)))))


def test_broken_files(tmp_path):
    good = matlab_file(tmp_path / "good.mat", matrix("depth", np.ones((30, 40))), matrix("x", np.ones(2), flags=8))
    with pytest.raises(InputError, match="no matrix 'depth_map' of real numbers, but depth, x; save it"):
        read_matrix(good, "depth_map")
    with pytest.raises(InputError, match="no matrix 'x' of real numbers"):
        read_matrix(good, "x")
    (tmp_path / "cut.mat").write_bytes(good.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.mat is damaged or truncated \(it ends within"):
        read_matrix(tmp_path / "cut.mat", "depth")
    (tmp_path / "packed.mat").write_bytes(good.read_bytes()[:128] + struct.pack("<II", 15, 4) + b"abcd")
    with pytest.raises(InputError, match=r"packed\.mat is damaged"):
        read_matrix(tmp_path / "packed.mat", "depth")
    (tmp_path / "hdf.mat").write_bytes(b"MATLAB 7.3 MAT-file, HDF5 schema 1.00".ljust(200))
    with pytest.raises(InputError, match=r"MATLAB 7\.3 \(HDF5\); save it with the option -v7"):
        read_matrix(tmp_path / "hdf.mat", "depth")
    (tmp_path / "text.mat").write_text("no matrix")
    with pytest.raises(InputError, match="no MATLAB file of version 5 to 7"):
        read_matrix(tmp_path / "text.mat", "depth")
    with pytest.raises(InputError, match="does not exist"):
        read_matrix(tmp_path / "none.mat", "depth")
