import base64
import io

import numpy as np
import pytest
from PIL import Image

from vergence.data.measured.depth_files import ColourRange, colourize
from vergence.report.pictures import (
    absent,
    colour_bar,
    colour_picture,
    depth_bar,
    for_display,
    photograph,
    removed_picture,
)


def pixels(picture):
    head, data = picture.uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def test_maps_keep_their_colours():
    values = np.linspace(0, 1, 64 * 32).reshape(32, 64)
    values[0, 0] = np.nan
    limits = ColourRange(0.1, 0.8)
    np.testing.assert_allclose(pixels(colour_picture("a", values, limits)), colourize(values, limits), atol=6)


def test_photographs_are_shrunk_to_the_page():
    picture = photograph("input", np.full((200, 1280, 3), 90, np.uint8))
    assert (picture.width, picture.height) == (640, 100)
    np.testing.assert_allclose(pixels(picture), 90, atol=2)


def test_what_was_removed_is_tinted_and_its_share_is_said():
    kept = np.ones((16, 32), bool)
    kept[:8, :16] = False
    picture = removed_picture("mask", np.full((16, 32, 3), 100, np.uint8), kept)
    assert picture.note == "25% left out of the loss"
    shown = pixels(picture)
    assert shown[2, 4, 0] > shown[2, 4, 1] + 80
    np.testing.assert_allclose(shown[12, 24], 85, atol=3)


def test_display_takes_the_mean_of_what_is_known():
    values = np.full((2, 800), np.nan)
    values[:, 0] = 1.0, 3.0
    values[:, 2:] = 5.0
    shown = for_display(values)
    assert shown.shape == (1, 400)
    np.testing.assert_array_equal(shown[0, :3], [2.0, 5.0, 5.0])
    values[:, :2] = np.nan
    assert np.isnan(for_display(values)[0, 0])


def test_sparse_points_become_visible():
    sparse = np.full((192, 640), np.nan)
    sparse[::4, ::4] = 1.0
    assert for_display(sparse).shape == (48, 160)
    assert np.isfinite(for_display(sparse)).all()
    assert for_display(np.full((5, 640), np.nan)).shape[1] == 160


@pytest.mark.parametrize(("metric", "ends"), [(True, ("20 m", "3.64 m", "2 m")), (False, ("20", "3.64", "2"))])
def test_depth_bars_are_labelled_in_depth(metric, ends):
    bar = depth_bar(ColourRange(0.05, 0.5), metric)
    assert bar.ticks == ends
    assert ("unscaled" in bar.label) is not metric
    assert bar.gradient.startswith("linear-gradient(90deg,#")


def test_bars_of_values_and_of_infinite_depth():
    assert colour_bar("error", ColourRange(0, 0.5), "turbo").ticks == ("0", "0.25", "0.5")
    assert depth_bar(ColourRange(0.0, 0.5), True).ticks[0] == "∞"


def test_absent_pictures_keep_the_place():
    picture = absent("measured", "no measured depth", (96, 192))
    assert (picture.uri, picture.width, picture.height, picture.note) == ("", 192, 96, "no measured depth")
