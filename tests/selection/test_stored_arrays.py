"""Arrays that several processes fill: made once, of zeros, and refused where they are damaged."""

from pathlib import Path

import numpy as np
import pytest

from vergence.errors import InputError
from vergence.selection.stored_arrays import shared_array


def test_what_one_writes_the_other_reads(tmp_path: Path) -> None:
    first = shared_array(tmp_path / "a.npy", "float32", (3, 2))
    assert (first == 0).all()
    first[1, 1] = 5
    first.flush()
    second = shared_array(tmp_path / "a.npy", "float32", (3, 2))
    assert second[1, 1] == 5
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), [[0, 0], [0, 5], [0, 0]])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_files_of_another_shape_and_places_that_cannot_be_written(tmp_path: Path) -> None:
    shared_array(tmp_path / "a.npy", "float32", (3, 2))
    with pytest.raises(InputError, match="remove that folder and select again"):
        shared_array(tmp_path / "a.npy", "float32", (4, 2))
    with pytest.raises(InputError, match="cannot be written"):
        shared_array(tmp_path / "absent" / "a.npy", "float32", (3, 2))
