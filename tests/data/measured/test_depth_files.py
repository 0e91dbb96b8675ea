import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from vergence.data.measured.depth_files import (
    ColourRange,
    colour_range,
    colourize,
    read_depth_png,
    suffix_of,
    write_array,
    write_depth_png,
    write_picture,
)
from vergence.errors import InputError


def test_each_format_has_the_suffix_that_viewers_know() -> None:
    assert (suffix_of("jpeg"), suffix_of("png")) == ("jpg", "png")


def test_other_formats_are_refused() -> None:
    with pytest.raises(InputError, match="pictures is 'webp'; give jpeg or png"):
        suffix_of("webp")  # type: ignore[arg-type]


def test_depth_png_round_trip_is_exact_to_half_a_step(tmp_path):
    depth = np.random.default_rng(0).uniform(0.01, 255, (11, 17))
    path = write_depth_png(tmp_path / "a.png", depth)
    with Image.open(path) as image:
        assert image.mode.startswith("I;16")
        stored = np.asarray(image)
    np.testing.assert_array_equal(stored, np.rint(depth * 256))
    np.testing.assert_allclose(read_depth_png(path), depth, atol=0.5 / 256 + 1e-5)
    np.testing.assert_allclose(
        read_depth_png(write_depth_png(path, depth / 4, 1000.0), 1000.0), depth / 4, atol=0.5 / 1000 + 1e-5
    )


def test_depth_png_edge_values(tmp_path):
    depth = np.array([[0.0, -1.0, np.nan, np.inf, 1e-6, 1e9]])
    with Image.open(write_depth_png(tmp_path / "a.png", depth)) as image:
        np.testing.assert_array_equal(np.asarray(image), [[0, 0, 0, 0, 1, 65535]])


def test_reading_something_else_as_depth(tmp_path):
    path = write_picture(tmp_path / "colour.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match="not a 16-bit PNG"):
        read_depth_png(path)
    (tmp_path / "broken.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"broken\.png"):
        read_depth_png(tmp_path / "broken.png")


def test_arrays_round_trip(tmp_path):
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(np.load(write_array(tmp_path / "a.npy", array)), array)


def test_colours_follow_the_range_and_mark_what_is_missing():
    table = (colormaps["magma"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
    colours = colourize(np.array([[0.0, 1.0, 2.0, 3.0, np.nan]]), ColourRange(1.0, 2.0))
    np.testing.assert_array_equal(colours[0, :4], table[[0, 0, 255, 255]])
    np.testing.assert_array_equal(colours[0, 4], [40, 40, 40])


def test_colour_range_is_made_of_percentiles_of_valid_values():
    values = np.concatenate((np.arange(1, 102, dtype=float), [0, -5, np.nan, np.inf]))
    assert colour_range(values) == (3.0, 99.0)
    assert colour_range(np.zeros(4)) == (0.0, 1.0)
    low, high = colour_range(np.full(4, 7.0))
    assert low == 7.0
    assert high > low
