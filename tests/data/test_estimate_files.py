import numpy as np
import pytest
from PIL import Image

from tests.data.small_world import picture, save
from vergence.data.estimate_files import minmax, read_estimate, write_estimate
from vergence.errors import InputError


def test_eight_bits_are_truncated():
    """three_ways.md section 10, fact 17."""
    np.testing.assert_array_equal(minmax(np.array([2.0, 4.0, 6.0])), [0, 0.5, 1])


def test_stored_and_read_values(tmp_path):
    path = write_estimate(tmp_path / "new" / "e.png", np.array([[2.0, 4.0, 6.0]]), bits=8)
    assert np.asarray(Image.open(path)).tolist() == [[0, 127, 255]]
    np.testing.assert_allclose(read_estimate(path), [[0, 0.498039, 1]], atol=1e-6)
    assert read_estimate(path).dtype == np.float32


def test_sixteen_bits_keep_the_map(tmp_path):
    inverse_depth = np.random.default_rng(0).uniform(3, 80, (20, 30)).astype(np.float32)
    read = read_estimate(write_estimate(tmp_path / "e.png", inverse_depth))
    expected = (inverse_depth - inverse_depth.min()) / np.ptp(inverse_depth)
    np.testing.assert_allclose(read, expected, atol=0.5 / 65535 + 1e-6)
    assert (read.min(), read.max()) == (0, 1)


def test_any_scale_is_normalised_when_read(tmp_path):
    stored = np.uint16([[1000, 2000, 3000]])
    np.testing.assert_allclose(read_estimate(save(tmp_path / "e.png", stored)), [[0, 0.5, 1]])
    np.testing.assert_allclose(read_estimate(save(tmp_path / "f.png", np.uint8([[10, 20, 30]]))), [[0, 0.5, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    bad = np.array([[1.0, value], [2.0, 3.0]])
    with pytest.raises(InputError, match=r"e\.png has 1 values that are not finite; check the depth network"):
        write_estimate(tmp_path / "e.png", bad)
    assert not list(tmp_path.iterdir())


def test_constant_maps(tmp_path):
    with pytest.raises(InputError, match="is 2 everywhere; a depth network that has collapsed"):
        write_estimate(tmp_path / "e.png", np.full((2, 3), 2.0))
    with pytest.raises(InputError, match=r"f\.png is 9 everywhere"):
        read_estimate(save(tmp_path / "f.png", np.full((2, 3), 9, np.uint8)))


def test_files_that_are_no_estimates(tmp_path):
    with pytest.raises(InputError, match="mode RGB, expected a grey"):
        read_estimate(save(tmp_path / "a.png", picture(0)))
    with pytest.raises(InputError, match="does not exist"):
        read_estimate(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="no image"):
        read_estimate(tmp_path / "text.png")


def test_shapes_and_bits(tmp_path):
    with pytest.raises(ValueError, match=r"\(1, 2, 2\)"):
        write_estimate(tmp_path / "e.png", np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="12"):
        write_estimate(tmp_path / "e.png", np.array([[0.0, 1.0]]), bits=12)
