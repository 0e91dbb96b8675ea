"""Matrices of OpenCV's files, right and malformed ones, read quickly."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests.data.structured.refusals import SECONDS, refused
from vergence.data.structured import read_opencv_matrices

OPENCV = """%YAML:1.0
M1: !!opencv-matrix
   rows: 2
   cols: 3
   dt: d
   data: [ 1., 0, 0,
     0, 1, 0 ]
D1: !!opencv-matrix
   rows: 1
   cols: 2
   dt: d
   data: [1, 2]
"""


def test_matrices_of_opencv(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(OPENCV)
    found = read_opencv_matrices(path)
    np.testing.assert_array_equal(found["M1"], [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found["D1"], [[1, 2]])
    path.write_text(
        '<?xml version="1.0"?><opencv_storage><K type_id="opencv-matrix"><rows>1</rows><cols>2</cols><dt>d</dt>'
        "<data>1. 2.</data></K></opencv_storage>"
    )
    np.testing.assert_array_equal(read_opencv_matrices(path)["K"], [[1, 2]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OPENCV.replace("D1", "M1"), "M1 stands twice"),
        (OPENCV.replace("rows: 2", "rows: 3"), "M1 has 6 numbers for 3 x 3"),
        (OPENCV.replace("rows: 2", "rows: 99999999999"), "M1 is no matrix"),
        (OPENCV.replace("1., 0", "1., .Nan"), "M1 is no matrix of finite numbers"),
        (OPENCV.replace("1., 0", "1., nan"), "M1 is no matrix of finite numbers"),
        ("a: !!opencv-matrix\n" * 8000, "a is no matrix"),
        ("a: !!opencv-matrix data: [" * 8000, "a is no matrix"),
        ("a: !!opencv-matrix rows" + " " * 150_000, "a is no matrix"),
    ],
)
def test_bad_matrices_of_opencv(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text)
    assert said in refused(lambda: read_opencv_matrices(path))


@pytest.mark.parametrize("text", ["a" * 150_000, " " * 150_000 + "x", "rows:[" * 30_000])
def test_what_has_no_matrices_is_read_quickly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text)
    start = time.process_time()
    assert read_opencv_matrices(path) == {}
    assert time.process_time() - start < SECONDS
