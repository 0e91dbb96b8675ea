"""Rays against the town: analytic z-depth and the identity of the first surface on a regular grid of samples.

A ray is camera centre + z * direction with direction_z(camera) = 1, so the ray parameter *is* the z-depth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vergence.data.toytown.parts import BOX, CYLINDER, Solids
from vergence.data.toytown.street import Terrain

NEAR = 0.3
GROUND = 0  # identity of the ground; primitive k is k + 1; the sky is -1
SKY = -1
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])
_CORNERS = np.array([[(k >> a & 1) * 2.0 - 1.0 for a in range(3)] for k in range(8)])
_MARCH = 0.8 * (700.0 / 0.8) ** np.linspace(0.0, 1.0, 40)


class View(NamedTuple):
    """A grid of rays: rotation (3,3) camera-to-world, centre (3,) m, x (w,) and y (h,) normalised coordinates."""

    rotation: np.ndarray
    centre: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def directions(self, axes: np.ndarray) -> np.ndarray:
        """Ray directions (3,h,w) float32 in a frame whose columns in the world are `axes`."""
        m = axes.T @ self.rotation
        rows = m[:, 1, None] * self.y + m[:, 2, None]
        columns = m[:, 0, None] * self.x
        return rows.astype(np.float32)[:, :, None] + columns.astype(np.float32)[:, None, :]


def trace(view: View, solids: Solids, terrain: Terrain) -> tuple[np.ndarray, np.ndarray]:
    """First surface per sample: z-depth (h,w) float32 (inf = sky) and identity (h,w) int32."""
    depth = np.full((view.y.size, view.x.size), np.inf, np.float32)
    identity = np.full(depth.shape, SKY, np.int32)
    left, right, top, bottom, nearest = _windows(view, solids)
    visible = np.nonzero((right > left) & (bottom > top))[0]
    offset = np.einsum("nij,ni->nj", solids.axes, view.centre - solids.centre)
    rotation = np.einsum("nij,ik->njk", solids.axes, view.rotation)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for k in visible[np.argsort(nearest[visible])]:
            window = (slice(top[k], bottom[k]), slice(left[k], right[k]))
            z = depth[window]
            if nearest[k] > z.max():
                continue
            x, y, m = view.x[left[k] : right[k]], view.y[top[k] : bottom[k]], rotation[k]
            if solids.shape[k] == BOX:
                hit, seen = _box(x, y, m, offset[k], solids.half[k])
            else:
                hit, seen = _quadric(x, y, m, offset[k], solids.half[k], solids.shape[k] == CYLINDER)
            seen &= hit < z
            np.copyto(z, hit, where=seen)
            np.copyto(identity[window], k + 1, where=seen)
    ground = trace_ground(view, terrain, depth)
    nearer = ground < depth
    np.copyto(depth, ground, where=nearer)
    np.copyto(identity, GROUND, where=nearer)
    return depth, identity


def _box(
    x: np.ndarray, y: np.ndarray, m: np.ndarray, offset: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slab test (Kay and Kajiya 1986) in the box frame; float32 suffices because it has no cancellation."""
    enter: np.ndarray | None = None
    leave: np.ndarray | None = None
    for a in range(3):
        rows = (m[a, 1] * y + m[a, 2]).astype(np.float32)[:, None]
        inverse = np.float32(1) / (rows + (m[a, 0] * x).astype(np.float32)[None, :])
        middle = inverse * np.float32(-offset[a])
        np.abs(inverse, out=inverse)
        inverse *= np.float32(half[a])
        near = middle - inverse
        middle += inverse
        if enter is None or leave is None:
            enter, leave = near, middle
        else:
            np.maximum(enter, near, out=enter)
            np.minimum(leave, middle, out=leave)
    assert enter is not None
    assert leave is not None
    return enter, (enter <= leave) & (enter > NEAR)


def _quadric(
    x: np.ndarray, y: np.ndarray, m: np.ndarray, offset: np.ndarray, half: np.ndarray, cylinder: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere or unit upright cylinder in the scaled frame; float64 because the discriminant cancels."""
    scaled = m / half[:, None]
    q = offset / half
    d = (scaled[:, 1, None] * y + scaled[:, 2, None])[:, :, None] + (scaled[:, 0, None] * x)[:, None, :]
    n = 2 if cylinder else 3
    a = np.einsum("khw,khw->hw", d[:n], d[:n])
    b = np.einsum("khw,k->hw", d[:n], q[:n])
    root = b * b - a * (q[:n] @ q[:n] - 1.0)
    z = (-b - np.sqrt(np.maximum(root, 0))) / a
    seen = (root >= 0) & (z > NEAR)
    if cylinder:
        seen &= np.abs(q[2] + z * d[2]) <= 1.0
    return z.astype(np.float32), seen


def _windows(view: View, solids: Solids) -> tuple[np.ndarray, ...]:
    """Half-open sample ranges (left, right, top, bottom) that cover each primitive, and its nearest z."""
    corners = solids.centre[:, None] + np.einsum("nij,ncj->nci", solids.axes, _CORNERS[None] * solids.half[:, None])
    points = (corners - view.centre) @ view.rotation
    z = points[..., 2]
    near = np.full(len(z), NEAR)
    a, b = points[:, _EDGES[:, 0]], points[:, _EDGES[:, 1]]
    za, zb = a[..., 2], b[..., 2]
    crossing = (za < NEAR) != (zb < NEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        cut = a + ((NEAR - za) / (zb - za))[..., None] * (b - a)
        every = np.concatenate([points, cut], 1)
        valid = np.concatenate([z >= NEAR, crossing], 1)
        u = every[..., 0] / every[..., 2]
        v = every[..., 1] / every[..., 2]

    def extent(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low = np.where(valid, values, np.inf).min(1)
        high = np.where(valid, values, -np.inf).max(1)
        # half a sample of margin guards against rounding at the silhouette
        margin = 0.5 * (grid[1] - grid[0])
        return np.searchsorted(grid, low - margin), np.searchsorted(grid, high + margin)

    left, right = extent(u, view.x)
    top, bottom = extent(v, view.y)
    return left, right, top, bottom, np.maximum(z.min(1), near)


def trace_ground(view: View, terrain: Terrain, limit: np.ndarray) -> np.ndarray:
    """z-depth (h,w) float32 of the height field, inf where the ray misses it within 700 m or (h,w) `limit` ends it.

    Marches outwards to the first sign change, then closes in by regula falsi (Illinois form) to float32 accuracy.
    """
    directions = view.directions(np.eye(3)).reshape(3, -1)
    depth = np.full(directions.shape[1], np.inf, np.float32)
    # a ray that climbs more steeply than the terrain ever does stays above it
    climb = np.float32((np.abs(terrain.amplitude) * np.hypot(*terrain.wave.T)).sum())
    active = np.nonzero(directions[2] < climb * np.hypot(directions[0], directions[1]))[0]
    dx, dy, dz = directions[:, active]
    end = limit.ravel()[active]
    cx, cy, cz = (np.float32(value) for value in view.centre)

    def clearance(z: np.ndarray | np.float32, x: np.ndarray, y: np.ndarray, h: np.ndarray) -> np.ndarray:
        return cz + z * h - terrain.height(cx + z * x, cy + z * y)

    before = np.full(active.size, cz - terrain.height(view.centre[:1], view.centre[1:2])[0], np.float32)
    low = np.zeros(active.size, np.float32)
    hits: list[tuple[np.ndarray, ...]] = []
    for z in _MARCH.astype(np.float32):
        after = clearance(z, dx, dy, dz)
        hit = after <= 0
        keep = end > z
        if hit.any():
            high = np.full(int(hit.sum()), z, np.float32)
            hits.append((active[hit], dx[hit], dy[hit], dz[hit], low[hit], high, before[hit], after[hit]))
            keep &= ~hit
        if not keep.all():
            active, dx, dy, dz, after, end = (values[keep] for values in (active, dx, dy, dz, after, end))
        low = np.full(active.size, z, np.float32)
        before = after
        if not active.size:
            break
    if hits:
        index, dx, dy, dz, low, high, above, below = (np.concatenate(c) for c in zip(*hits, strict=True))
        for _ in range(6):
            z = low + (high - low) * above / (above - below)
            f = clearance(z, dx, dy, dz)
            positive = f > 0
            low, high = np.where(positive, z, low), np.where(positive, high, z)
            above, below = np.where(positive, f, 0.5 * above), np.where(positive, 0.5 * below, f)
        depth[index] = z
    return depth.reshape(view.y.size, view.x.size)
