"""Rays against naive float64 twins, one ray at a time."""

import numpy as np
import pytest

from tests.data.toytown.rays import rays, view_of
from vergence.data.toytown.parts import BOX, Builder, join
from vergence.data.toytown.street import Terrain, make_street
from vergence.data.toytown.trace import SKY, trace, trace_ground

FLAT = Terrain(np.zeros(3), np.ones((3, 2)), np.zeros(3))


def test_nearer_solid_wins_and_order_does_not_matter() -> None:
    groups = []
    for x in (12.0, 5.0, 30.0):
        b = Builder()
        b.add(BOX, (x, 0, 1.5), (0.5, 0.2 * x, 1.5), 2, "facade", np.zeros(4))
        groups.append(b.build())
    view = view_of((0.0, 0.0, 1.6), angle=0.05)
    first, ids = trace(view, join(groups), FLAT)
    second, _ = trace(view, join(groups[::-1]), FLAT)
    np.testing.assert_array_equal(first, second)
    assert ids[20, 30] == 2
    assert (ids == SKY).any()


def test_camera_beside_a_long_wall_sees_it() -> None:
    """Solids that reach behind the camera are clipped, not dropped."""
    b = Builder()
    b.add(BOX, (10, 2.5, 1.0), (60, 0.5, 4.0), 2, "facade", np.zeros(4))
    view = view_of((0.0, 0.0, 1.6), angle=0.0)
    depth, identity = trace(view, b.build(), FLAT)
    wall = identity == 1
    direction = rays(view)
    np.testing.assert_allclose(depth[wall], 2.0 / direction[wall][:, 1], rtol=1e-4)
    assert wall[:, 0].all()


def test_flat_ground_is_a_plane() -> None:
    view = view_of((3.0, -2.0, 1.7))
    depth = trace_ground(view, FLAT, np.full((40, 60), np.inf, np.float32))
    down = rays(view)[..., 2]
    expected = np.where(down < 0, -1.7 / np.minimum(down, -1e-9), np.inf)
    near = expected < 600
    np.testing.assert_allclose(depth[near], expected[near], rtol=1e-3)
    assert np.isinf(depth[expected > 720]).all()


def test_hills_are_hit_first_and_exactly() -> None:
    terrain = make_street(3, 4).terrain  # a hilly street
    height = float(terrain.height(np.array([5.0]), np.array([7.0]))[0])
    view = view_of((5.0, 7.0, height + 1.5), angle=-0.05)
    depth = trace_ground(view, terrain, np.full((40, 60), np.inf, np.float32))
    direction = rays(view)
    steps = np.concatenate([np.arange(0.5, 60, 0.05), np.arange(60, 300, 0.5)])
    for i, j in np.random.default_rng(0).integers(0, (40, 60), (150, 2)):
        points = view.centre + steps[:, None] * direction[i, j]
        above = points[:, 2] - terrain.height(points[:, 0], points[:, 1])
        first = steps[np.argmax(above <= 0)] if (above <= 0).any() else np.inf
        if np.isfinite(first) and depth[i, j] < 300:
            assert depth[i, j] == pytest.approx(first, abs=0.06 if first < 60 else 0.6)
            point = view.centre + float(depth[i, j]) * direction[i, j]
            residual = point[2] - float(terrain.height(point[:1], point[1:2])[0])
            assert abs(residual) < 2e-4 * depth[i, j]
        else:
            assert depth[i, j] > 280


def test_limit_ends_the_search() -> None:
    view = view_of((0.0, 0.0, 1.7))
    free = trace_ground(view, FLAT, np.full((40, 60), np.inf, np.float32))
    limited = trace_ground(view, FLAT, np.full((40, 60), 9.0, np.float32))
    np.testing.assert_array_equal(limited[free < 9], free[free < 9])
    assert (limited[free >= 9] >= 9).all()
