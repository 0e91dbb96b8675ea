"""What stands in a street: on the ground, off the road, the same again."""

import numpy as np
import pytest

from vergence.data.toytown.scenery import frame_at, furnish
from vergence.data.toytown.street import CHARACTERS, make_street


@pytest.fixture(scope="module", params=range(len(CHARACTERS)))
def street(request):
    return make_street(7, request.param)


def test_frames_stand_on_the_ground_with_right_handed_axes(street):
    for tilt in (False, True):
        position, axes = frame_at(street, 40.0, 1.5, turn=0.2, tilt=tilt)
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(axes), 1)
        x, y, z = position
        np.testing.assert_allclose(z, street.terrain.height(np.array([x]), np.array([y]))[0])
        assert axes[2, 2] > (0.9 if tilt else 1 - 1e-12)


def test_furniture_is_the_same_again_and_leaves_the_carriageway_free(street):
    one, again = furnish(street, 7, 0), furnish(street, 7, 0)
    for first, second in zip(one.static, again.static, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (one.lead is not None) == (street.plan.lead > 0)
    low = one.static.half[:, 2] > 0.3  # paint and shade may lie on the road
    s, across = street.coordinates(one.static.centre[low, 0], one.static.centre[low, 1])
    driven = (s > 0) & (s < 200)
    assert driven.sum() > 20
    lane = street.plan.road - street.plan.parking
    on_the_road = (np.abs(across) < 0.5 * lane) & driven & (one.static.centre[low, 2] < 3)
    assert on_the_road.mean() < 0.01
