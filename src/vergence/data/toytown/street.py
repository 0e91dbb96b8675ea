"""The lie of a street: hills, a centre line that bends, side streets, a square, and what lies underfoot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

CHARACTERS = ("lane", "avenue", "square", "suburb", "hill", "corners")
STEP = 0.5  # metres between points of the centre line
BEFORE, DRIVE, AFTER = 30.0, 250.0, 180.0
REACH = 45.0  # metres from the centre line within which (along, across) is known
CELL = 1.0
ROAD, SIDEWALK, TERRAIN = 0, 1, 9


class Terrain(NamedTuple):
    """Height field: a sum of sines. amplitude (3,) m, wave (3,2) rad/m, phase (3,)."""

    amplitude: np.ndarray
    wave: np.ndarray
    phase: np.ndarray

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Metres above zero; keeps the dtype of x and y."""
        kind = np.asarray(x).dtype.type
        total = np.sin(x * kind(self.wave[0, 0]) + y * kind(self.wave[0, 1]) + kind(self.phase[0]))
        total *= kind(self.amplitude[0])
        for a, (kx, ky), p in zip(self.amplitude[1:], self.wave[1:], self.phase[1:], strict=True):
            total += kind(a) * np.sin(x * kind(kx) + y * kind(ky) + kind(p))
        return total


@dataclass(frozen=True)
class Plan:
    """Numbers that make one street unlike another. Lengths in metres, angles in radians."""

    character: str
    road: float  # half width of the carriageway, parking included
    parking: float  # width of one parking strip, 0 = none
    sidewalk: float
    set_back: tuple[float, float]
    storeys: tuple[float, float]
    gap: float  # probability that a lot stays empty
    trees: float  # probability per 7 metres and side
    clutter: float  # bushes, stalls, containers per 100 m and side
    hedges: float  # share of lots that are fenced off from the street
    traffic: float  # expected oncoming cars per 100 m
    walkers: float  # expected people per 100 m
    lead: float  # gap to a car ahead that keeps our speed, 0 = none
    speed: float
    eye: float  # camera height
    pitch: float  # down is positive
    roll: float
    yaw: float
    wobble: float


def make_plan(rng: np.random.Generator, street: int, start: np.ndarray) -> Plan:
    """Draw a plan. start (3,) in [0,1) belongs to the town.

    The character cycles with the street number so that any six in a row are all different.
    """
    character = CHARACTERS[street % len(CHARACTERS)]
    lane, wide = character == "lane", character in ("avenue", "square")
    road = rng.uniform(1.7, 2.6) if lane else rng.uniform(5.0, 8.0) if wide else rng.uniform(3.2, 5.5)
    parking = 0.0 if lane or rng.random() < 0.3 or road < 4.2 else 2.0
    set_back = {
        "lane": (0.0, 0.6), "avenue": (1.0, 6.0), "square": (3.0, 30.0),
        "suburb": (4.0, 14.0), "hill": (1.0, 20.0), "corners": (0.0, 5.0),
    }[character]  # fmt: skip
    storeys = {
        "lane": (2, 5), "avenue": (4, 9), "square": (2, 6), "suburb": (1, 2.6), "hill": (1, 4), "corners": (2, 6),
    }[character]  # fmt: skip
    eye = float(np.exp(rng.uniform(np.log(1.1), np.log(3.2))))
    # mounting angles spread evenly over the streets (golden ratio steps), so that any few streets differ
    spread = (start + street * np.array([0.6180, 0.7549, 0.5698])) % 1.0
    return Plan(
        character=character,
        road=road,
        parking=parking,
        sidewalk=rng.uniform(0.5, 1.3) if lane else rng.uniform(1.4, 4.5),
        set_back=set_back,
        storeys=storeys,
        gap=rng.uniform(0.0, 0.08) if lane else rng.uniform(0.05, 0.5),
        trees=0.0 if lane else rng.uniform(0.0, 0.75),
        clutter=rng.uniform(0.0, 3.0) if lane else rng.uniform(2.0, 14.0),
        hedges=rng.uniform(0.0, 0.7),
        traffic=0.0 if lane else rng.uniform(0.0, 4.0),
        walkers=rng.uniform(0.5, 6.0),
        lead=rng.uniform(6.0, 15.0) if rng.random() < 0.3 else 0.0,
        speed=min(rng.uniform(5.0, 8.0) if lane else rng.uniform(6.0, 12.0), 5.0 * eye),
        eye=eye,
        pitch=-0.3 + 0.54 * spread[0],
        roll=-0.1 + 0.2 * spread[1],
        yaw=-0.45 + 0.9 * spread[2],
        wobble=rng.uniform(0.3, 1.0),
    )


class Line(NamedTuple):
    """The centre line, sampled every STEP: arc length s (0 where a drive starts), x, y and heading."""

    s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray

    def at(self, s: float, across: float) -> tuple[float, float, float]:
        """(x, y, heading) at arc length s, `across` metres to the right."""
        heading = float(np.interp(s, self.s, self.heading))
        x = float(np.interp(s, self.s, self.x)) + across * np.sin(heading)
        y = float(np.interp(s, self.s, self.y)) - across * np.cos(heading)
        return x, y, heading


class Street(NamedTuple):
    """plan, terrain, line; crossings (M,5): x, y, heading, half road, arc length; squares (Q,3): x, y, radius;
    fields (2, rows, columns): arc length and signed distance right of the line, on a CELL grid from `origin`."""

    plan: Plan
    terrain: Terrain
    line: Line
    crossings: np.ndarray
    squares: np.ndarray
    fields: np.ndarray
    origin: np.ndarray

    def coordinates(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(along, across) of world points, bilinear; across is +-2 REACH far from the street."""
        rows, columns = self.fields.shape[1:]
        u = np.clip((x - x.dtype.type(self.origin[0])) / CELL, 0, columns - 1.001)
        v = np.clip((y - y.dtype.type(self.origin[1])) / CELL, 0, rows - 1.001)
        i, j = u.astype(np.int32), v.astype(np.int32)
        fu, fv = u - i, v - j
        first = j * columns + i
        result = []
        for plane in self.fields.reshape(2, -1):
            top = plane[first] * (1 - fu) + plane[first + 1] * fu
            bottom = plane[first + columns] * (1 - fu) + plane[first + columns + 1] * fu
            result.append(top * (1 - fv) + bottom * fv)
        return result[0], result[1]

    def underfoot(self, x: np.ndarray, y: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Train id of the ground: road, sidewalk or terrain."""
        label = np.full(x.shape, TERRAIN, np.uint8)
        side = np.abs(across)
        label[side < self.plan.road + self.plan.sidewalk] = SIDEWALK
        road = side < self.plan.road
        for cx, cy, heading, half, _ in self.crossings:
            rx, ry = x - x.dtype.type(cx), y - y.dtype.type(cy)
            c, s = x.dtype.type(np.cos(heading)), x.dtype.type(np.sin(heading))
            lateral = np.abs(rx * s - ry * c)
            near = np.abs(rx * c + ry * s) < 120
            label[(lateral < half + 1.8) & near] = SIDEWALK
            road |= (lateral < half) & near
        for cx, cy, radius in self.squares:
            label[(x - x.dtype.type(cx)) ** 2 + (y - y.dtype.type(cy)) ** 2 < radius**2] = SIDEWALK
        label[road] = ROAD
        return label


def make_line(rng: np.random.Generator, plan: Plan) -> tuple[Line, list[float]]:
    """A line of straight pieces, bends and (in "corners") tight turns; also the arc lengths of the tight turns."""
    s = np.arange(-BEFORE, DRIVE + AFTER, STEP)
    curvature = np.zeros_like(s)
    corners: list[float] = []
    position, heading = rng.uniform(-20.0, 25.0), 0.0
    while position < s[-1]:
        tight = plan.character == "corners" or (plan.character == "lane" and rng.random() < 0.4)
        if tight:
            radius, angle = rng.uniform(11.0, 18.0), rng.uniform(0.9, 1.5)
        else:
            radius, angle = rng.uniform(35.0, 150.0), rng.uniform(0.15, 0.9)
        sign = -1.0 if heading > 0.2 else 1.0 if heading < -0.2 else rng.choice([-1.0, 1.0])
        length = radius * angle
        curvature[(s >= position) & (s < position + length)] = sign / radius
        if tight and length > 8:
            corners.append(position + 0.5 * length)
        heading += sign * angle
        position += length + rng.uniform(8.0, 60.0)
    # smooth the curvature over 6 m: cars do not turn the wheel in an instant
    kernel = np.hanning(15)[1:-1]
    curvature = np.convolve(curvature, kernel / kernel.sum(), mode="same")
    bearing = np.cumsum(curvature) * STEP + rng.uniform(-np.pi, np.pi)
    x, y = np.cumsum(np.cos(bearing)) * STEP, np.cumsum(np.sin(bearing)) * STEP
    return Line(s, x, y, bearing), corners


def make_street(seed: int, street: int) -> Street:
    """The street number `street` of the town `seed`; styles share it."""
    rng = np.random.default_rng([seed, street, 1])
    plan = make_plan(rng, street, np.random.default_rng([seed, 0]).random(3))
    line, corners = make_line(rng, plan)
    slope = rng.uniform(0.05, 0.13) if plan.character == "hill" else rng.uniform(0.0, 0.06)
    length = rng.uniform([70.0, 110.0, 180.0], [110.0, 180.0, 300.0])
    angle = rng.uniform(0, 2 * np.pi, 3)
    wave = 2 * np.pi / length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    terrain = Terrain(slope * length / (2 * np.pi) * rng.uniform(0.3, 0.7, 3), wave, rng.uniform(0, 2 * np.pi, 3))
    crossings = []
    if plan.character != "lane":
        where = [c - 8.0 for c in corners] + list(np.cumsum(rng.uniform(30.0, 110.0, 6)))
        for s in where:
            if abs(s) < DRIVE + AFTER:
                x, y, heading = line.at(s, 0.0)
                turn = heading + np.pi / 2 * (s not in where[: len(corners)]) + rng.uniform(-0.2, 0.2)
                crossings.append((x, y, turn, rng.uniform(2.5, 4.5), s))
    squares = []
    if plan.character in ("square", "corners"):
        for s in np.cumsum(rng.uniform(30.0, 110.0, 3)):
            x, y, _ = line.at(s, rng.uniform(-12.0, 12.0))
            squares.append((x, y, rng.uniform(14.0, 34.0)))
    fields, origin = _fields(line)
    return Street(
        plan, terrain, line, np.array(crossings).reshape(-1, 5), np.array(squares).reshape(-1, 3), fields, origin
    )


def _fields(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Nearest point of the line for every cell within REACH: arc length and signed distance to the right."""
    margin = REACH + 2 * CELL
    origin = np.floor([line.x.min() - margin, line.y.min() - margin])
    columns = int((line.x.max() + margin - origin[0]) / CELL) + 2
    rows = int((line.y.max() + margin - origin[1]) / CELL) + 2
    best = np.full((rows, columns), np.inf, np.float32)
    fields = np.zeros((2, rows, columns), np.float32)
    fields[1] = 2 * REACH
    span = int(REACH / CELL)
    grid = np.arange(-span, span + 1)
    for s, px, py, heading in zip(*line, strict=True):
        i, j = int((px - origin[0]) / CELL), int((py - origin[1]) / CELL)
        window = (slice(j - span, j + span + 1), slice(i - span, i + span + 1))
        rx = ((grid + i) * CELL + (origin[0] - px)).astype(np.float32)[None, :]
        ry = ((grid + j) * CELL + (origin[1] - py)).astype(np.float32)[:, None]
        distance = rx * rx + ry * ry
        closer = distance < best[window]
        c, n = np.float32(np.cos(heading)), np.float32(np.sin(heading))
        np.copyto(best[window], distance, where=closer)
        np.copyto(fields[0][window], np.float32(s) + rx * c + ry * n, where=closer)
        np.copyto(fields[1][window], rx * n - ry * c, where=closer)
    return fields, origin
