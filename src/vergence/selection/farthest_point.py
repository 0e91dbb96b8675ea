"""Greedy farthest-point sampling: each next point is the one farthest from all chosen ones (Three Ways, 5)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

_GATHERED = 1024


class Distances(Protocol):
    """Distances between N points, as :class:`vergence.selection.features.FeatureSpace` has them."""

    slack: float
    """Bound of the rounding error of :meth:`squared`."""

    def __len__(self) -> int: ...

    def squared(self, row: int) -> Tensor:
        """Squared distances (N,) from one point to all, up to ``slack``."""

    def gather(self, rows: Tensor) -> Tensor:
        """What :meth:`between` knows the points ``rows`` by, (n, ...)."""

    def between(self, points: Tensor, others: Tensor) -> Tensor:
        """Exact distances (n, m) float64 from ``others`` to ``points``; 0 means the same."""


class Pick(NamedTuple):
    """One chosen point."""

    row: int
    distance: float
    """To the nearest point chosen before it, without bias; infinite where there was none."""


def farthest_points(
    distances: Distances,
    count: int,
    chosen: Sequence[int] = (),
    start: int | None = None,
    bias: Tensor | None = None,
    allowed: Tensor | None = None,
) -> list[Pick]:
    """Choose greedily argmax_j (min_i distance(i, j) + bias(j)) over the points i chosen so far; first index on ties.

    The running minimum is kept, so a pick costs one product of the points with a vector: O(count * N) together. That
    product is rounded; all points that might be the farthest within its rounding error are compared by exact distances.
    A point at distance 0 from a chosen one is its duplicate and never chosen.

    Args:
        count: how many to choose.
        chosen: points that are there already.
        start: the first choice where there are none.
        bias: (N,) added to the distance of each candidate (section 5.3: 1000 times its difficulty).
        allowed: (N,) bool, which points may be chosen.

    Returns:
        ``count`` picks in order; fewer where there are no more different points.

    Raises:
        ValueError: nothing to start from, or shapes that do not fit.
    """
    total = len(distances)
    for name, values in (("bias", bias), ("allowed", allowed)):
        if values is not None and values.shape != (total,):
            raise ValueError(f"{name} has shape {tuple(values.shape)}, expected ({total},)")
    if not chosen and start is None:
        raise ValueError("farthest-point sampling needs chosen points or a start")
    search = _Search(distances, bias, allowed)
    for row in chosen:
        search.add(row)
    picks: list[Pick] = []
    if not chosen and start is not None and count > 0:
        picks.append(Pick(start, float("inf")))
        search.add(start)
    while len(picks) < count and (pick := search.next()) is not None:
        picks.append(pick)
        if len(picks) < count:
            search.add(pick.row)
    return picks


class _Search:
    """Distances of all points to the nearest chosen one, up to rounding, and exactly for those that matter."""

    def __init__(self, distances: Distances, bias: Tensor | None, allowed: Tensor | None) -> None:
        self.distances = distances
        self.total = len(distances)
        self.bias = bias
        self.open = torch.ones(self.total, dtype=torch.bool) if allowed is None else allowed.bool().clone()
        self.chosen = 0
        self.points: Tensor | None = None
        """The points of the chosen frames, with room for more."""
        self.nearest: Tensor | None = None
        self.exact = torch.full((self.total,), float("inf"), dtype=torch.float64)
        self.compared = torch.zeros(self.total, dtype=torch.int32)
        """How many of the chosen points ``exact`` is about."""

    def add(self, row: int) -> None:
        """A point is chosen."""
        squared = self.distances.squared(row)
        self._keep(self.distances.gather(torch.tensor([row], device=squared.device)))
        if self.nearest is None:
            self.nearest = squared
            self.open, self.exact, self.compared = (
                x.to(squared.device) for x in (self.open, self.exact, self.compared)
            )
            if self.bias is not None:
                self.bias = self.bias.to(squared.device, torch.float64)
        else:
            torch.minimum(self.nearest, squared, out=self.nearest)
        self.open[row] = False

    def _keep(self, point: Tensor) -> None:
        if self.points is None:
            self.points = point.repeat(8, *[1] * (point.ndim - 1))
        elif self.chosen == len(self.points):
            self.points = torch.cat((self.points, self.points))
        self.points[self.chosen] = point[0]
        self.chosen += 1

    def next(self) -> Pick | None:
        """The farthest point that is open; None where all are closed."""
        while True:
            rivals = self._rivals()
            if len(rivals) == 0:
                return None
            exact = self._compare(rivals)
            apart = exact > 0
            if not apart.all():  # duplicates of chosen points
                self.open[rivals[~apart]] = False
                continue
            value = exact if self.bias is None else exact + self.bias[rivals]
            best = int((value == value.max()).nonzero()[0])
            return Pick(int(rivals[best]), float(exact[best]))

    def _rivals(self) -> Tensor:
        """Open points that might be the farthest, as far as rounded distances tell, in order."""
        assert self.nearest is not None
        slack = self.distances.slack
        low = (self.nearest - slack).clamp_(min=0).sqrt_()
        high = (self.nearest + slack).clamp_(min=0).sqrt_() if slack else low
        if self.bias is not None:
            low, high = low + self.bias, high + self.bias
        low = low.masked_fill(~self.open, -1.0)
        return ((high >= low.max()) & self.open).nonzero()[:, 0]

    def _compare(self, rivals: Tensor) -> Tensor:
        """Exact distances of rivals; what was compared with earlier picks is not compared again."""
        assert self.points is not None
        done = self.compared[rivals]
        for since in done.unique().tolist():
            others = self.points[since : self.chosen]
            if len(others) == 0:
                continue
            for rows in rivals[done == since].split(_GATHERED):
                nearest = self.distances.between(self.distances.gather(rows), others).amin(1)
                self.exact[rows] = torch.minimum(self.exact[rows], nearest)
                self.compared[rows] = self.chosen
        return self.exact[rivals]
