"""Rays against naive float64 twins, one ray at a time."""

import numpy as np
import pytest

from vergence.data.toytown.options import TownOptions, camera
from vergence.data.toytown.parts import BOX, CYLINDER, ELLIPSOID, KIND, Builder, join
from vergence.data.toytown.street import Terrain, make_street
from vergence.data.toytown.trace import NEAR, SKY, View, trace, trace_ground

FLAT = Terrain(np.zeros(3), np.ones((3, 2)), np.zeros(3))
DEEP = Terrain(np.array([100.0, 0, 0]), np.zeros((3, 2)), np.full(3, -np.pi / 2))  # flat, 100 m down


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    axis = axis / np.linalg.norm(axis)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def view_of(centre: tuple[float, float, float], angle: float = 0.1, size: tuple[int, int] = (60, 40)) -> View:
    level = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # right = -y, down = -z, forward = +x
    rotation = turn(np.array([0.3, 1.0, -0.4]), angle) @ level
    return View(rotation, np.array(centre), np.linspace(-0.7, 0.7, size[0]), np.linspace(-0.4, 0.4, size[1]))


def rays(view: View) -> np.ndarray:
    x, y = np.meshgrid(view.x, view.y)
    return np.stack([x, y, np.ones_like(x)], -1) @ view.rotation.T


def twin(kind: int, origin: np.ndarray, direction: np.ndarray, half: np.ndarray) -> float:
    """First z > NEAR where the local ray enters the solid, else inf."""
    if kind == BOX:
        best = np.inf
        for a in range(3):
            for side in (-1.0, 1.0):
                z = (side * half[a] - origin[a]) / direction[a]  # ray against the plane of one face
                point = origin + z * direction
                others = [b for b in range(3) if b != a]
                if z > NEAR and all(abs(point[b]) <= half[b] * (1 + 1e-9) for b in others):
                    best = min(best, z)
        return best
    n = 2 if kind == CYLINDER else 3
    q, d = (origin / half)[:n], (direction / half)[:n]
    roots = np.roots([d @ d, 2 * q @ d, q @ q - 1])
    if np.iscomplex(roots).any():
        return np.inf
    z = roots.min()
    inside = kind == ELLIPSOID or abs(origin[2] + z * direction[2]) <= half[2]
    return float(z) if z > NEAR and inside else np.inf


@pytest.mark.parametrize("kind", [BOX, CYLINDER, ELLIPSOID])
@pytest.mark.parametrize("distance", [6.0, 40.0])
def test_solid_matches_its_twin(kind: int, distance: float) -> None:
    half = np.array([1.1, 0.7, 1.6]) * distance / 8
    if kind == CYLINDER:
        half[1] = half[0]
    b = Builder()
    b.add(kind, (0, 0, 0), tuple(half), 2, "facade", np.zeros(4))
    axes = turn(np.array([0.0, 0.0, 1.0]), 0.6)
    solids = b.build().placed(np.array([distance, 0.3, 5.0]), axes)
    view = view_of((0.0, 0.0, 5.2))
    depth, identity = trace(view, solids, DEEP)
    hits = 0
    for (i, j), z in np.ndenumerate(depth):
        direction = axes.T @ rays(view)[i, j]
        expected = twin(kind, axes.T @ (view.centre - solids.centre[0]), direction, half)
        hits += identity[i, j] == 1
        if np.isfinite(expected) != (identity[i, j] == 1):
            # only a ray that grazes the silhouette may differ by rounding
            nudged = [
                twin(kind, axes.T @ (view.centre - solids.centre[0]), direction, half * s) for s in (0.9999, 1.0001)
            ]
            assert np.isfinite(nudged[0]) != np.isfinite(nudged[1])
        elif identity[i, j] == 1:
            assert z == pytest.approx(expected, rel=1e-4)
    assert hits > 50


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


def test_kinds_are_distinct() -> None:
    assert len(set(KIND.values())) == len(KIND)


def test_camera_is_normalised_with_square_pixels() -> None:
    for width, height in ((192, 96), (320, 96)):
        fx, fy, cx, cy = camera(TownOptions(width=width, height=height))
        assert fx * width == pytest.approx(fy * height)
        assert 2 * np.degrees(np.arctan(0.5 / fx)) == pytest.approx(75.0)
        assert 0.4 < cy <= 0.5
        assert cx * width == pytest.approx((width - 1) / 2)
