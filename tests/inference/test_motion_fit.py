"""The lowest point of a curve of photometric errors; the whole fit is tested with what uses it."""

import math

import numpy as np
import pytest

from vergence.inference.motion_fit import _REACH, _STEPS, _lowest


def shares() -> np.ndarray:
    return np.exp(np.linspace(-_REACH, _REACH, _STEPS))


@pytest.mark.parametrize("share", [0.5, 0.7, 1.0, 1.003, 2.9])
def test_a_parabola_in_the_logarithm_is_found_between_the_steps(share: float) -> None:
    assert _lowest(0.1 + (np.log(shares()) - math.log(share)) ** 2) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_no_length_fits_where_the_error_falls_to_the_end(slope: float) -> None:
    assert math.isnan(_lowest(slope * np.log(shares())))


def test_a_flat_valley_gives_a_point_of_it() -> None:
    curve = np.abs(np.arange(_STEPS) - 20).clip(min=1).astype(float)
    assert 19 <= np.interp(_lowest(curve), shares(), np.arange(_STEPS)) <= 21
