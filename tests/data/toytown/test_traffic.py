"""What moves in a street moves as it should."""

import numpy as np
import pytest

from vergence.data.toytown.parts import PERSON, RIDER
from vergence.data.toytown.street import CHARACTERS, make_street
from vergence.data.toytown.traffic import make_traffic


@pytest.mark.parametrize("number", range(len(CHARACTERS)))
def test_cars_come_towards_us_in_their_lane_and_walkers_keep_off_the_road(number):
    street = make_street(3, number)
    movers = make_traffic(street, np.random.default_rng(1))
    assert all(mover.solids.moving.all() for mover in movers)
    for mover in movers:
        labels = set(mover.solids.label.tolist())
        if RIDER in labels:
            assert 2.5 <= mover.speed <= 4.5
            assert 0 < mover.across < street.plan.road
        elif PERSON in labels:
            assert 0.7 <= abs(mover.speed) <= 1.8
            assert abs(mover.across) > street.plan.road
        else:
            assert -11 <= mover.speed <= -5
            assert -street.plan.road < mover.across < 0


def test_gaps_between_oncoming_cars_leave_room_for_a_car():
    street = make_street(3, CHARACTERS.index("avenue"))
    starts = [mover.start for mover in make_traffic(street, np.random.default_rng(2)) if mover.speed < -4]
    assert len(starts) > 3
    assert np.diff(starts).min() >= 9
