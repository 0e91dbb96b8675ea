"""Streets in which the car waits at a light."""

import numpy as np
import pytest

from vergence.data.manifest import Manifest
from vergence.data.toytown import TownOptions, render_street, write_toytown
from vergence.data.toytown.render import driven_frames
from vergence.errors import InputError

SMALL = {"width": 64, "height": 32, "stereo": False}


def test_a_waiting_car_stands_and_the_world_goes_on() -> None:
    options = TownOptions(**SMALL, halts={1: 2.0})
    driven = driven_frames(options, 1, 60)
    first = int(np.flatnonzero(np.diff(driven) == 0)[0])
    assert (driven[first : first + 21] == driven[first]).all()
    assert driven[-1] == 59 - 20
    frames = list(render_street(options, 1, 21, start=first))
    assert all(np.array_equal(frame.pose, frames[0].pose) for frame in frames)
    still = ~(frames[0].moving | frames[-1].moving)
    assert np.array_equal(frames[0].depth[still], frames[-1].depth[still])
    assert any((frame.depth != frames[0].depth).any() for frame in frames)  # others go on


def test_after_the_halt_it_goes_on_from_where_it_stood() -> None:
    one = next(render_street(TownOptions(**SMALL, halts={4: 3.0}), 4, 1, start=79))
    other = next(render_street(TownOptions(**SMALL), 4, 1, start=49))
    assert np.allclose(one.pose, other.pose)


def test_the_wait_comes_on_top_of_the_drive(tmp_path) -> None:
    options = TownOptions(**SMALL, halts={1: 0.5})
    town = Manifest.read(write_toytown(tmp_path, options, {"train": 3}, 2))
    assert [sum(row.sequence == f"street{number:03d}" for row in town) for number in range(3)] == [2, 7, 2]
    assert write_toytown(tmp_path, options, {"train": 3}, 2) == town.root / "manifest.parquet"  # there already


def test_a_town_of_before_halts_is_the_same_town(tmp_path) -> None:
    first = write_toytown(tmp_path, TownOptions(**SMALL), {"train": 1}, 2)
    assert "halts" not in (first.parent / "toytown.json").read_text()
    with pytest.raises(InputError, match="holds another toy town"):
        write_toytown(tmp_path, TownOptions(**SMALL, halts={0: 3.0}), {"train": 1}, 2)


@pytest.mark.parametrize("seconds", [-1.0, 21.0, float("nan")])
def test_halts_that_cannot_be(seconds: float) -> None:
    with pytest.raises(InputError, match=r"street 3 waits for .* give from 0 to 20"):
        TownOptions(halts={3: seconds})
