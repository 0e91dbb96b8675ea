"""NumPy files that are cut off, lie in their header, hold objects, or are something else."""

from pathlib import Path

import numpy as np
import pytest

from vergence.data.structured import map_array, read_array, read_arrays
from vergence.errors import InputError


def test_arrays_are_read_as_written(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "b.npz", label=values, score=values[0])
    assert (read_array(tmp_path / "a.npy") == values).all()
    found = read_arrays(tmp_path / "b.npz", need=("label", "score"))
    assert (found["label"] == values).all()
    assert (found["score"] == values[0]).all()
    mapped = map_array(tmp_path / "a.npy", "r+", (2, 3), "float64")
    mapped[1, 2] = 9
    mapped.flush()
    assert read_array(tmp_path / "a.npy")[1, 2] == 9


def test_a_header_that_lies_does_not_lengthen_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(10))
    path.write_bytes(path.read_bytes().replace(b"(10,), }      ", b"(1000000000,),}"[:14], 1))
    before = path.stat().st_size
    with pytest.raises(InputError, match=r"cannot be read as NumPy arrays"):
        map_array(path, "r+")
    assert path.stat().st_size == before


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 half", b"\x93NUMPY\x01\x00\x05\x00((((("])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    for read in (read_array, read_arrays):
        with pytest.raises(InputError, match=r"cannot be read as NumPy arrays .*; make it again"):
            read(tmp_path / "a.npy")


def test_objects_other_shapes_and_lacking_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.savez(tmp_path / "b.npz", label=np.zeros(3))
    with pytest.raises(InputError, match="holds Python objects"):
        read_array(tmp_path / "objects.npy")
    with pytest.raises(InputError, match=r"float64 of shape \(3,\), expected float64 of \(4,\)"):
        map_array(tmp_path / "a.npy", shape=(4,))
    with pytest.raises(InputError, match="has no array score"):
        read_arrays(tmp_path / "b.npz", need=("label", "score"))
    with pytest.raises(InputError, match="does not exist; make it again"):
        read_array(tmp_path / "nowhere.npy")
