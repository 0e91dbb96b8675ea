"""What moves in a street: oncoming cars, walkers, riders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vergence.data.toytown import parts
from vergence.data.toytown.parts import Solids
from vergence.data.toytown.street import AFTER, BEFORE, DRIVE, Street


@dataclass(frozen=True)
class Mover:
    """Something that keeps to a line: at time t it is at arc length `start + speed t`, `across` metres to the right."""

    solids: Solids
    start: float
    speed: float
    across: float


def make_traffic(street: Street, rng: np.random.Generator) -> list[Mover]:
    """Oncoming cars, walkers on both sidewalks, now and then a rider ahead at the kerb."""
    plan = street.plan
    movers: list[Mover] = []
    lane = 0.5 * (plan.road - plan.parking)
    backwards = np.diag([-1.0, -1.0, 1.0])
    s = rng.uniform(0, 40)
    speed = rng.uniform(5.0, 11.0)
    while plan.traffic > 0.3 and s < 700:
        movers.append(Mover(parts.car(rng, True).placed(np.zeros(3), backwards), s, -speed, -lane))
        s += rng.exponential(100.0 / plan.traffic) + 9.0
    for _ in range(rng.poisson(plan.walkers * (DRIVE + AFTER) / 100)):
        pace = rng.uniform(0.7, 1.8) * rng.choice([-1.0, 1.0])
        across = rng.choice([-1.0, 1.0]) * (plan.road + rng.uniform(0.3, 0.9) * max(plan.sidewalk, 0.8))
        solids = parts.person(rng)
        solids = solids if pace > 0 else solids.placed(np.zeros(3), backwards)
        movers.append(Mover(solids, rng.uniform(-BEFORE, DRIVE + AFTER), pace, across))
    for _ in range(rng.poisson(0.0 if plan.road < 2.5 else 2.0)):
        across = plan.road - plan.parking - 0.5
        movers.append(Mover(parts.rider(rng), rng.uniform(10, DRIVE), rng.uniform(2.5, 4.5), across))
    return movers
