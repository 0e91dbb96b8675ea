"""Streets: their ground, their traffic, their characters."""

import numpy as np

from tests.data.toytown.scenes import SMALL, one
from vergence.data.toytown import TownOptions, camera, render_street
from vergence.data.toytown.options import MAX_FRAMES
from vergence.data.toytown.street import CHARACTERS, make_street


def test_ground_pixels_lie_on_the_terrain() -> None:
    frame = one(TownOptions(stereo=False), 4, 12)
    fx, fy, cx, cy = np.array(camera(TownOptions())) * [192, 96, 192, 96]
    v, u = np.nonzero((frame.label == 1) & (frame.depth > 0))
    z = frame.depth[v, u].astype(float)
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], -1) @ frame.pose[:3, :3].T + frame.pose[:3, 3]
    error = points[:, 2] - make_street(0, 4).terrain.height(points[:, 0], points[:, 1])
    assert len(z) > 50
    assert np.abs(error / z).max() < 1e-3


def test_a_car_ahead_keeps_our_speed() -> None:
    """The classic hole: the pixels of the car ahead hardly move."""
    street = next(n for n in range(40) if make_street(0, n).plan.lead and abs(make_street(0, n).plan.yaw) < 0.2)
    a, b = render_street(TownOptions(stereo=False), street, 2, start=20)
    still = a.moving & b.moving & (np.abs(a.depth - b.depth) < 0.1)
    assert still.sum() > 30


def test_six_streets_have_six_characters() -> None:
    assert {make_street(0, n).plan.character for n in range(6)} == set(CHARACTERS)


def test_no_street_ends_before_its_frames_do() -> None:
    for street in range(12):
        assert one(SMALL, street, MAX_FRAMES - 1).depth.max() > 0
