"""How well chosen points stand for all: distances to the nearest one, and a flat map of the space."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.selection.features import FeatureSpace

_PICKS = 256


class Coverage(NamedTuple):
    """Distances from points to the nearest of the first 1, 2, 3, ... chosen ones."""

    largest: NDArray[np.float64]
    mean: NDArray[np.float64]


def coverage(space: FeatureSpace, order: Sequence[int], rows: Sequence[int], known: Sequence[int] = ()) -> Coverage:
    """How far the points ``rows`` are from the nearest of ``known`` and the first 1, 2, ... of ``order``."""
    points = space.points(rows)
    norms = points.square().sum(1, keepdim=True)
    nearest = torch.full((len(points), 1), float("inf"), device=points.device)
    largest, mean = [], []
    for start in range(-len(known), len(order), _PICKS):
        block = [*known, *order][start + len(known) : start + len(known) + _PICKS]
        others = space.points(block)
        squared = norms + others.square().sum(1) - 2 * points @ others.T
        running = torch.cat((nearest, squared.clamp_(min=0)), dim=1).cummin(1).values
        nearest = running[:, -1:]
        distances = running[:, 1:].sqrt()
        largest.append(distances.amax(0))
        mean.append(distances.mean(0))
    curves = (torch.cat(values)[len(known) :].double().cpu().numpy() for values in (largest, mean))
    return Coverage(*curves)


class FlatMap(NamedTuple):
    """The plane through a cloud of points along which they vary most."""

    center: NDArray[np.float64]
    axes: NDArray[np.float64]
    """(2, D), orthonormal; zeros where the points vary in fewer directions."""
    shares: tuple[float, float]
    """Share of the variance along each axis."""

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coordinates (n, 2) of points (n, D)."""
        return np.asarray((points - self.center) @ self.axes.T)


def flat_map(points: NDArray[np.floating]) -> FlatMap:
    """Principal axes of points (n, D), by the eigenvectors of their (n, n) products; signs are always the same."""
    center = points.mean(0, dtype=np.float64)
    centred = points - center
    values, vectors = np.linalg.eigh(centred @ centred.T)
    total = max(float(values.clip(min=0).sum()), 1e-30)
    axes = np.zeros((2, points.shape[1]))
    shares = [0.0, 0.0]
    for number in range(min(2, len(values))):
        value = float(values[-1 - number])
        if value > 1e-9 * total:
            axis = centred.T @ vectors[:, -1 - number] / np.sqrt(value)
            axes[number] = axis * (1 if axis[np.abs(axis).argmax()] > 0 else -1)
            shares[number] = value / total
    return FlatMap(center, axes, (shares[0], shares[1]))
