"""Thresholds from a histogram of depth, against a twin in NumPy."""

import numpy as np
import pytest
import torch

from tests.mixing.seeded import seeded
from vergence.mixing.masks import (
    depth_histogram_mask,
)


def histogram_twin(values: np.ndarray) -> tuple[float, float]:
    """The range in words of the parity notes, with NumPy's histogram."""
    density, edges = np.histogram(values, bins=100, density=True)
    pairs = list(zip(density[::-1], edges[::-1], strict=False))  # one more edge than bins: a bin's upper edge
    upper = next((edge for dense, edge in pairs[1:] if dense > 1.5), edges[-1])
    share = np.cumsum(density * np.diff(edges))
    return edges[int(np.argmax(share > 0.4))], upper


def test_histogram_range_twin() -> None:
    shapes = torch.stack([torch.rand(1, 40, 50, generator=seeded(seed)) ** (seed + 1) for seed in range(5)])
    for uniform in (0.0, 0.4, 1.0):
        masks = depth_histogram_mask(shapes, uniform=torch.full((5,), uniform))
        for mask, shape in zip(masks, shapes, strict=True):
            low, high = histogram_twin(np.log1p(shape.numpy().astype(np.float64)).ravel())
            expected = shape >= uniform * (high - low) + low
            assert (mask.bool() != expected).sum() <= 2  # a bin's edge in single precision


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_histogram_of_a_constant_map_keeps_all(value: float) -> None:
    assert (depth_histogram_mask(torch.full((2, 1, 4, 4), value)) == 1).all()
