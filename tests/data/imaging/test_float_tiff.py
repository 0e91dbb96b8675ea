"""TIFF files of floats: what is written is read."""

import numpy as np
import pytest

from tests.data.layouts.stereo_endoscope import (
    write_points,
)
from vergence.data.imaging.float_tiff import read_float_tiff


@pytest.mark.parametrize("compression", ["raw", "deflate"])
def test_float_tiff(tmp_path, compression):
    values = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(np.float32)
    write_points(tmp_path / "a.tiff", values, compression)
    np.testing.assert_array_equal(read_float_tiff(tmp_path / "a.tiff"), values)
