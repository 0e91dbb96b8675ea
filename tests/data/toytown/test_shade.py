"""Stripes are box filters of what they paint, whatever the footprint."""

import numpy as np
import pytest

from vergence.data.toytown.shade import band, repeated_band


@pytest.mark.parametrize("footprint", [0.05, 0.3, 2.0])
def test_a_band_covers_what_a_fine_grid_counts(footprint):
    places = np.linspace(-2, 2, 41)
    fine = np.linspace(-0.5, 0.5, 4001)
    counted = [(np.abs(place + footprint * fine) < 0.25).mean() for place in places]
    np.testing.assert_allclose(band(places, 0.5, np.full(41, footprint)), counted, atol=0.002)


def test_repeated_bands_repeat_and_fade_to_their_mean():
    places = np.linspace(-3, 3, 61)
    sharp = repeated_band(places, 1.0, 0.4, np.full(61, 1e-3))
    np.testing.assert_allclose(repeated_band(places + 2, 1.0, 0.4, np.full(61, 1e-3)), sharp, atol=1e-5)
    assert repeated_band(np.array([0.5, 0.0]), 1.0, 0.4, np.full(2, 1e-3)).tolist() == [1, 0], "middle of a period"
    np.testing.assert_allclose(repeated_band(places, 1.0, 0.4, np.full(61, 5.0)), 0.4)
