"""Greedy farthest-point sampling: each next point is the one farthest from all chosen ones (Three Ways, 5)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

_GATHERED = 1024
_FIRST = 64
"""Points that are looked at first for a pick."""


class Distances(Protocol):
    """Distances between N points, as :class:`vergence.selection.features.FeatureSpace` has them."""

    slack: float
    """Bound of the rounding error of :meth:`squared`."""

    def __len__(self) -> int: ...

    def squared(self, others: Tensor, rows: Tensor | None = None) -> Tensor:
        """Squared distances (n,) from the nearest of ``others`` (of :meth:`gather`) to rows (all), up to ``slack``."""

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

    The distance to the nearest chosen point only shrinks, so what was found before some choices is a bound after them:
    for each pick only those points are compared with the choices they have not seen yet whose bound might win, many at
    a time. In the worst case that is one product of all points with all choices, O(count * N); usually a small part of
    it, and few readings of points that are on disk. Products are rounded; all points that might be the farthest within
    the rounding error are compared by exact distances, so picks are those of the plain definition. A point at distance
    0 from a chosen one is its duplicate and never chosen.

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
    """Bounds of the distances of all points to the nearest chosen one, and exact ones of those that matter."""

    def __init__(self, distances: Distances, bias: Tensor | None, allowed: Tensor | None) -> None:
        self.distances = distances
        self.total = len(distances)
        self.chosen = 0
        self.points: Tensor | None = None
        """The points of the chosen frames, with room for more."""
        self.nearest: Tensor | None = None
        """Squared distances to the nearest of the first ``seen`` choices, up to rounding."""
        self.upper = torch.empty(0)
        """No less than distance and bias; minus infinity of points that may not be chosen."""
        self.seen = torch.zeros(self.total, dtype=torch.int32)
        self.bias = bias
        self.open = torch.ones(self.total, dtype=torch.bool) if allowed is None else allowed.bool().clone()
        self.exact = torch.full((self.total,), float("inf"), dtype=torch.float64)
        self.compared = torch.zeros(self.total, dtype=torch.int32)
        """How many of the chosen points ``exact`` is about."""

    def add(self, row: int) -> None:
        """A point is chosen."""
        self._keep(self.distances.gather(torch.tensor([row])))
        self._close(torch.tensor([row]))

    def _keep(self, point: Tensor) -> None:
        if self.points is None:
            self.points = point.repeat(8, *[1] * (point.ndim - 1))
        elif self.chosen == len(self.points):
            self.points = torch.cat((self.points, self.points))
        self.points[self.chosen] = point[0]
        self.chosen += 1

    def _close(self, rows: Tensor) -> None:
        self.open[rows] = False
        if self.nearest is not None:
            self.upper[rows] = -torch.inf

    def _begin(self) -> None:
        """Compare all points with the choices so far."""
        assert self.points is not None
        self.nearest = self.distances.squared(self.points[: self.chosen])
        device = self.nearest.device
        self.open, self.exact, self.compared, self.seen = (
            x.to(device) for x in (self.open, self.exact, self.compared, self.seen)
        )
        if self.bias is not None:
            self.bias = self.bias.to(device, torch.float64)
        self.seen.fill_(self.chosen)
        self.upper = self._value(torch.arange(self.total, device=device), self.distances.slack)
        self.upper[~self.open] = -torch.inf

    def next(self) -> Pick | None:
        """The farthest point that is open; None where all are closed."""
        if self.nearest is None:
            self._begin()
        while True:
            rivals = self._rivals()
            if len(rivals) == 0:
                return None
            exact = self._compare(rivals)
            apart = exact > 0
            if not apart.all():  # duplicates of chosen points
                self._close(rivals[~apart])
                continue
            value = exact if self.bias is None else exact + self.bias[rivals]
            best = int((value == value.max()).nonzero()[0])
            return Pick(int(rivals[best]), float(exact[best]))

    def _rivals(self) -> Tensor:
        """Open points that might be the farthest, as far as rounded distances tell, in order."""
        count = _FIRST
        while True:
            count = min(count, self.total)
            bounds, rows = self.upper.topk(count)
            rows = rows[self.open[rows]]
            self._refresh(rows[self.seen[rows] < self.chosen])
            if len(rows) == 0:
                return rows
            least = self._value(rows, -self.distances.slack).max()
            if count == self.total or bounds[-1] < least:  # else others may be as far
                return rows[self.upper[rows] >= least].sort().values
            count *= 4

    def _refresh(self, rows: Tensor) -> None:
        """Let points see the choices that they have not seen, together those that lack about as many."""
        assert self.points is not None
        assert self.nearest is not None
        lacking = torch.log2((self.chosen - self.seen[rows]).double()).int()
        for size in lacking.unique().tolist():
            some = rows[lacking == size].sort().values  # in the order of the disk
            since = int(self.seen[some].min())
            distances = self.distances.squared(self.points[since : self.chosen], some)
            self.nearest[some] = torch.minimum(self.nearest[some], distances)
        self.seen[rows] = self.chosen
        self.upper[rows] = self._value(rows, self.distances.slack)

    def _value(self, rows: Tensor, slack: float) -> Tensor:
        """What the distances of points are, with bias, where the rounding error of their squares is ``slack``."""
        assert self.nearest is not None
        distance = (self.nearest[rows] + slack).clamp_(min=0).sqrt_().double()
        return distance if self.bias is None else distance + self.bias[rows]

    def _compare(self, rivals: Tensor) -> Tensor:
        """Exact distances of rivals; what was compared with earlier picks is not compared again."""
        assert self.points is not None
        compared = self.compared[rivals]
        for since in compared.unique().tolist():
            others = self.points[since : self.chosen]
            if len(others) == 0:
                continue
            for rows in rivals[compared == since].split(_GATHERED):
                nearest = self.distances.between(self.distances.gather(rows), others).amin(1)
                self.exact[rows] = torch.minimum(self.exact[rows], nearest)
                self.compared[rows] = self.chosen
        return self.exact[rivals]
