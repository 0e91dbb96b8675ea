"""Furnish a street: buildings, walls, fences, trees, posts, parked cars."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vergence.data.toytown import parts
from vergence.data.toytown.parts import BOX, Builder, Solids
from vergence.data.toytown.street import AFTER, BEFORE, DRIVE, Street
from vergence.data.toytown.traffic import Mover, make_traffic


class Scenery(NamedTuple):
    """Static solids of a street, the movers, and the car ahead (placed relative to ours) if there is one."""

    static: Solids
    movers: list[Mover]
    lead: Solids | None


def frame_at(street: Street, s: float, across: float, turn: float = 0.0, tilt: bool = False) -> tuple:
    """Position on the ground and axes (columns forward, left, up) at (s, across); tilt follows the slope."""
    x, y, heading = street.line.at(s, across)
    heading += turn
    forward = np.array([np.cos(heading), np.sin(heading), 0.0])
    left = np.array([-np.sin(heading), np.cos(heading), 0.0])
    z = float(street.terrain.height(np.array([x]), np.array([y]))[0])
    if tilt:
        for axis in (forward, left):
            ahead = street.terrain.height(np.array([x + axis[0], x - axis[0]]), np.array([y + axis[1], y - axis[1]]))
            axis[2] = 0.5 * (ahead[0] - ahead[1])
        forward /= np.linalg.norm(forward)
        left -= forward * (left @ forward)
        left /= np.linalg.norm(left)
    return np.array([x, y, z]), np.stack([forward, left, np.cross(forward, left)], 1)


def furnish(street: Street, seed: int, number: int) -> Scenery:
    """Everything that stands or moves in the street."""
    rng = np.random.default_rng([seed, number, 2])
    groups: list[Solids] = []
    for side in (-1.0, 1.0):
        groups += _lots(street, rng, side)
        groups += _furniture(street, rng, side)
        groups += _clutter(street, rng, side)
    groups.append(_skyline(street, rng))
    movers = make_traffic(street, np.random.default_rng([seed, number, 3]))
    lead = parts.car(rng, True) if street.plan.lead else None
    return Scenery(parts.join(groups), movers, lead)


def _clear(street: Street, solids: Solids, margin: float) -> bool:
    """True if nothing of the footprint comes nearer than `margin` to a carriageway (ours or a crossing one)."""
    c, h, axes = solids.centre, solids.half, solids.axes
    grid = np.array([(a, b) for a in (-1, -0.5, 0, 0.5, 1) for b in (-1, -0.5, 0, 0.5, 1)], float)
    points = (c[:, None] + np.einsum("nij,ncj->nci", axes[:, :, :2], grid[None] * h[:, None, :2])).reshape(-1, 3)
    _, across = street.coordinates(points[:, 0], points[:, 1])
    if np.abs(across).min() < street.plan.road + margin:
        return False
    for x, y, heading, half, _ in street.crossings:
        rx, ry = points[:, 0] - x, points[:, 1] - y
        lateral = np.abs(rx * np.sin(heading) - ry * np.cos(heading))
        near = np.abs(rx * np.cos(heading) + ry * np.sin(heading)) < 120
        if (near & (lateral < half + (1.8 if margin < 0 else min(margin, 1.8)))).any():
            return False
    return True


def _open(street: Street, position: np.ndarray, margin: float = 3.0) -> bool:
    """True outside every square."""
    return all(np.hypot(position[0] - x, position[1] - y) > r + margin for x, y, r in street.squares)


def _lots(street: Street, rng: np.random.Generator, side: float) -> list[Solids]:
    """Buildings lot by lot, some set back behind walls, fences or hedges, some missing; a taller row behind."""
    plan = street.plan
    edge = plan.road + plan.sidewalk
    groups: list[Solids] = []
    s = -BEFORE
    low, high = plan.set_back
    base = rng.uniform(low, high)
    while s < DRIVE + AFTER - 5:
        width = rng.uniform(6.0, 12.0) if plan.character in ("lane", "suburb") else rng.uniform(8.0, 26.0)
        if rng.random() < 0.3:
            base = rng.uniform(low, high)
        middle, s = s + 0.5 * width, s + width
        empty = rng.random() < plan.gap
        back, depth = base + rng.uniform(0.0, 0.8), rng.uniform(6.0, 13.0)
        tall = 3.1 * rng.uniform(*plan.storeys) + rng.uniform(0.3, 1.5)
        across = side * (edge + back + 0.5 * depth)
        position, axes = frame_at(street, middle, across)
        spread = float(rng.uniform(0.42, 0.505)) * width
        chance = rng.random((3, 4))
        roof, fenced, pick = rng.random(), rng.random() < plan.hedges, rng.random()
        if not empty and _open(street, position, 0.5 * depth):
            b = Builder()
            kind = "plain_wall" if chance[0, 3] < 0.14 else "facade"
            b.add(BOX, (0, 0, 0.5 * tall - 2), (spread, 0.5 * depth, 0.5 * tall + 2), parts.BUILDING, kind, chance[0])
            if roof < 0.6:
                b.add(
                    BOX,
                    (0, 0, tall + 0.6),
                    (0.8 * spread, 0.3 * depth, 1.2 * roof + 0.5),
                    parts.BUILDING,
                    "roof",
                    chance[1],
                )
            else:
                b.add(BOX, (0, 0, tall), (spread + 0.3, 0.5 * depth + 0.3, 0.15), parts.BUILDING, "roof", chance[1])
            solids = b.build().placed(position, axes)
            if _clear(street, solids, 0.5 * plan.sidewalk):
                groups.append(solids)
        if fenced and back > 1.2 and plan.character != "square":
            kind, label, height = (
                ("wall", parts.WALL, 1.0) if pick < 0.35 else ("fence", parts.FENCE, 0.7) if pick < 0.7
                else ("hedge", parts.VEGETATION, 0.8)
            )  # fmt: skip
            b = Builder()
            height *= 0.7 + chance[2, 0]
            b.add(BOX, (0, 0, 0.5 * height), (0.5 * width, 0.12, 0.5 * height + 0.8), label, kind, chance[2])
            solids = b.build().placed(*frame_at(street, middle, side * (edge + 0.3)))
            if _open(street, solids.centre[0]) and _clear(street, solids, 0.7 * plan.sidewalk):
                groups.append(solids)
    return groups


def _furniture(street: Street, rng: np.random.Generator, side: float) -> list[Solids]:
    """Trees, lamps, signs, traffic lights at crossings and parked cars along one side."""
    plan = street.plan
    groups: list[Solids] = []
    inner, edge = plan.road + 0.35, plan.road + plan.sidewalk
    spacing = rng.uniform(18.0, 40.0)
    lamps = np.arange(-BEFORE + rng.uniform(0, spacing), DRIVE + AFTER - 5, spacing)
    facing = 0.0 if side > 0 else np.pi
    jobs: list[tuple[Solids, float, float, float, float]] = []
    for s in np.arange(-BEFORE, DRIVE + AFTER - 5, 7.0):
        draw, jitter, spot = rng.random(), rng.uniform(-2, 2), rng.random()
        if draw < plan.trees:
            away = inner + 0.5 if plan.sidewalk > 2.2 and spot < 0.6 else edge + 1.5 + 9 * spot
            jobs.append((parts.tree(rng), s + jitter, away, rng.uniform(0, 6), 0.3))
        if rng.random() < 0.08:
            jobs.append((parts.traffic_sign(rng), s + jitter, inner, facing + rng.normal(0, 0.15), 0.2))
        parked = parts.car(rng, False)
        if plan.parking and rng.random() < 0.6:
            # the car stands inside the strip, so it may be nearer than the kerb but never in a lane
            jobs.append((parked, s + 0.4 * jitter, plan.road - 0.5 * plan.parking - 0.05, facing, -plan.parking - 0.15))
    jobs += [(parts.street_lamp(rng), s, inner, 0.0 if side > 0 else np.pi, 0.2) for s in lamps]
    jobs += [
        (parts.traffic_light(rng), s - side * 6.0, inner, facing, 0.2)
        for *_, s in street.crossings
        if rng.random() < 0.7
    ]
    for solids, s, away, turn, margin in jobs:
        position, axes = frame_at(street, s, side * away, turn, margin < 0)
        placed = solids.placed(position, axes)
        if _clear(street, placed if margin < 0 else _foot(placed), margin):
            groups.append(placed)
    return groups


def _clutter(street: Street, rng: np.random.Generator, side: float) -> list[Solids]:
    """Bushes, stalls, containers and hoardings beside the road, also on squares and empty lots."""
    plan = street.plan
    groups: list[Solids] = []
    for _ in range(rng.poisson(plan.clutter * (DRIVE + AFTER) / 100)):
        b = Builder()
        draw, chance = rng.random(), rng.random(4)
        long, wide, tall = rng.uniform([0.5, 0.4, 0.5], [3.0, 1.3, 1.5])
        if draw < 0.4:
            b.add(
                parts.ELLIPSOID,
                (0, 0, 0.4 * tall),
                (0.6 * long + 0.3, wide + 0.2, 1.1 * tall),
                parts.VEGETATION,
                "crown",
                chance,
            )
        elif draw < 0.75:
            b.add(
                BOX,
                (0, 0, tall),
                (long, wide, tall + 0.3),
                parts.BUILDING,
                "facade" if chance[0] < 0.3 else "body",
                chance,
            )
        else:
            b.add(BOX, (0, 0, tall), (1.2 * long, 0.1, tall + 0.3), parts.WALL, "wall", chance)
        away = plan.road + 0.4 + wide + rng.exponential(4.0)
        placed = b.build().placed(
            *frame_at(street, rng.uniform(-BEFORE, DRIVE + AFTER - 5), side * away, rng.normal(0, 0.5))
        )
        if _clear(street, placed, 0.4):
            groups.append(placed)
    return groups


def _foot(solids: Solids) -> Solids:
    """The first primitive alone: what stands on the ground (a crown or an arm may hang over the road)."""
    return Solids(*(column[:1] for column in solids))


def _skyline(street: Street, rng: np.random.Generator) -> Solids:
    """Distant blocks and woods on both sides and beyond the end, so that the horizon is not bare."""
    b = Builder()
    line = street.line
    for _ in range(45):
        s = rng.uniform(-BEFORE, DRIVE + AFTER)
        x, y, _ = line.at(s, rng.choice([-1.0, 1.0]) * rng.uniform(48.0, 140.0))
        z = float(street.terrain.height(np.array([x]), np.array([y]))[0])
        wide, tall, chance = rng.uniform(5, 16), rng.uniform(4, 16), rng.random(4)
        nearest = np.hypot(line.x - x, line.y - y).min()
        if nearest < 40:
            continue
        if rng.random() < 0.55:
            b.add(BOX, (x, y, z + 0.5 * tall), (wide, 0.7 * wide, 0.5 * tall + 3), parts.BUILDING, "facade", chance)
        else:
            b.add(parts.ELLIPSOID, (x, y, z), (1.3 * wide, wide, 0.7 * tall), parts.VEGETATION, "crown", chance)
    return b.build()
