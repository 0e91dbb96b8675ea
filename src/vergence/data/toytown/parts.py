"""Solid primitives (box, upright cylinder, ellipsoid) and the things of a town assembled from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
KINDS = (
    "facade", "plain_wall", "wall", "fence", "metal", "lamp", "sign", "trunk", "crown", "body", "glass", "tyre",
    "cloth", "trousers", "skin", "coach", "hedge", "roof", "shade",
)  # fmt: skip
KIND = {name: index for index, name in enumerate(KINDS)}
ROAD = 0
WALL, FENCE, BUILDING, POLE, LIGHT, SIGN, VEGETATION = 3, 4, 2, 5, 6, 7, 8
PERSON, RIDER, CAR, TRUCK, BUS, BICYCLE = 11, 12, 13, 14, 15, 18


class Solids(NamedTuple):
    """N primitives. shape (N,); centre (N,3) m; half (N,3) m; axes (N,3,3), columns = local axes in the world;
    label, kind (N,) int; chance (N,4) uniform numbers that the palette turns into colours; moving (N,) bool."""

    shape: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    axes: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    chance: np.ndarray
    moving: np.ndarray

    def placed(self, position: np.ndarray, axes: np.ndarray) -> Solids:
        """The same solids carried by a rigid motion (local -> world)."""
        return self._replace(centre=self.centre @ axes.T + position, axes=axes @ self.axes)


def join(groups: list[Solids]) -> Solids:
    """All solids of several groups."""
    return Solids(*(np.concatenate(columns) for columns in zip(*groups, strict=True)))


@dataclass
class Builder:
    """Collects primitives in a local frame: x forward, y left, z up."""

    rows: list[tuple[int, tuple[float, float, float], tuple[float, float, float], int, int, np.ndarray]] = field(
        default_factory=list
    )

    def add(
        self,
        shape: int,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        label: int,
        kind: str,
        chance: np.ndarray,
    ) -> None:
        self.rows.append((shape, centre, half, label, KIND[kind], chance))

    def build(self, moving: bool = False) -> Solids:
        shape, centre, half, label, kind, chance = zip(*self.rows, strict=True)
        count = len(self.rows)
        axes = np.broadcast_to(np.eye(3), (count, 3, 3)).copy()
        return Solids(
            np.array(shape), np.array(centre, float), np.array(half, float), axes, np.array(label), np.array(kind),
            np.array(chance, float), np.full(count, moving),
        )  # fmt: skip


def car(rng: np.random.Generator, moving: bool) -> Solids:
    """A car 3.8 to 4.8 m long: body, cabin with windows, four wheels; about one in eight is a lorry or a coach."""
    b = Builder()
    paint, dark = rng.random(4), rng.random(4)
    size = rng.random()
    if size > 0.88:
        length, height = rng.uniform(2.8, 4.5), rng.uniform(1.1, 1.5)
        kind, label = ("coach", BUS) if rng.random() < 0.5 else ("body", TRUCK)
        b.add(BOX, (0, 0, height + 0.45), (length, 1.2, height), label, kind, paint)
        b.add(BOX, (length, 0, 1.7), (0.05, 1.05, 0.45), label, "glass", dark)
        wheel, width = 0.48, 1.08
    else:
        length, label = rng.uniform(1.9, 2.4), CAR
        waist, roof = rng.uniform(0.82, 0.98), rng.uniform(1.4, 1.75)
        b.add(BOX, (0, 0, 0.5 * (waist + 0.25)), (length, 0.87, 0.5 * (waist - 0.25)), label, "body", paint)
        back = rng.uniform(-0.45, -0.1)
        b.add(BOX, (back, 0, 0.5 * (waist + roof)), (0.52 * length, 0.76, 0.5 * (roof - waist)), label, "glass", dark)
        b.add(BOX, (back, 0, roof), (0.5 * length, 0.72, 0.05), label, "body", paint)
        b.add(BOX, (-length, 0, waist - 0.18), (0.04, 0.8, 0.07), label, "lamp", dark)
        wheel, width = 0.32, 0.8
    # the shadow is a dark slab that lies on the road and counts as road
    b.add(BOX, (0, 0, -0.17), (length + 0.15, width + 0.35, 0.2), ROAD, "shade", dark)
    for x in (-0.62 * length, 0.62 * length):
        for y in (-width, width):
            b.add(BOX, (x, y, wheel), (0.9 * wheel, 0.11, wheel), label, "tyre", dark)
    return b.build(moving)


def person(rng: np.random.Generator, label: int = PERSON, moving: bool = True, lift: float = 0.0) -> Solids:
    """A walking figure, 1.5 to 1.9 m."""
    b = Builder()
    tall = rng.uniform(1.5, 1.9) / 1.75
    colours = rng.random((3, 4))
    b.add(BOX, (0, 0, 0.42 * tall + lift), (0.13, 0.17, 0.42 * tall), label, "trousers", colours[0])
    b.add(ELLIPSOID, (0, 0, 1.12 * tall + lift), (0.19, 0.27, 0.4 * tall), label, "cloth", colours[1])
    b.add(ELLIPSOID, (0, 0, 1.62 * tall + lift), (0.12, 0.11, 0.14), label, "skin", colours[2])
    return b.build(moving)


def rider(rng: np.random.Generator) -> Solids:
    """A person on a bicycle."""
    b = Builder()
    chance = rng.random(4)
    for x in (-0.5, 0.5):
        b.add(BOX, (x, 0, 0.34), (0.33, 0.03, 0.33), BICYCLE, "tyre", chance)
    b.add(BOX, (0, 0, 0.6), (0.5, 0.04, 0.06), BICYCLE, "body", chance)
    return join([b.build(True), person(rng, RIDER, True, 0.35)])


def tree(rng: np.random.Generator) -> Solids:
    """A trunk and a crown of two to four ellipsoids."""
    b = Builder()
    tall, wide = rng.uniform(2.2, 4.5), rng.uniform(0.9, 2.2)
    b.add(CYLINDER, (0, 0, 0.5 * tall - 0.5), (0.14, 0.14, 0.5 * tall + 0.7), VEGETATION, "trunk", rng.random(4))
    chance = rng.random(4)
    for _ in range(int(rng.integers(2, 5))):
        x, y, z = rng.uniform(-0.5, 0.5, 3) * wide
        half = wide * rng.uniform(0.6, 1.0, 3)
        b.add(ELLIPSOID, (x, y, tall + 0.4 * wide + z), tuple(half), VEGETATION, "crown", chance)
    return b.build()


def street_lamp(rng: np.random.Generator) -> Solids:
    """A thin post with an arm towards +y (the road)."""
    b = Builder()
    tall, chance = rng.uniform(4.5, 7.5), rng.random(4)
    radius = rng.uniform(0.05, 0.11)
    b.add(CYLINDER, (0, 0, 0.5 * tall), (radius, radius, 0.5 * tall + 0.5), POLE, "metal", chance)
    b.add(BOX, (0, 0.7, tall), (0.06, 0.8, 0.05), POLE, "metal", chance)
    return b.build()


def traffic_sign(rng: np.random.Generator) -> Solids:
    """A post and a board that faces -x (towards the traffic)."""
    b = Builder()
    tall, chance = rng.uniform(2.0, 2.9), rng.random(4)
    b.add(CYLINDER, (0, 0, 0.5 * tall), (0.045, 0.045, 0.5 * tall + 0.5), POLE, "metal", chance)
    b.add(BOX, (-0.07, 0, tall), (0.02, rng.uniform(0.3, 0.45), rng.uniform(0.3, 0.45)), SIGN, "sign", chance)
    return b.build()


def traffic_light(rng: np.random.Generator) -> Solids:
    """A post with a signal head."""
    b = Builder()
    tall, chance = rng.uniform(2.8, 3.6), rng.random(4)
    b.add(CYLINDER, (0, 0, 0.5 * tall), (0.07, 0.07, 0.5 * tall + 0.5), POLE, "metal", chance)
    b.add(BOX, (-0.15, 0, tall), (0.16, 0.2, 0.5), LIGHT, "lamp", chance)
    return b.build()
