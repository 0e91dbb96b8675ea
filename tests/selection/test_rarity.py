"""Weights of cells by how rare they are."""

import numpy as np
import pytest

from vergence.selection.features import FeatureSpace
from vergence.selection.rarity import cell_rarity

CHANNELS, CELLS = 6, 32


def space(seed: int = 0, frames: int = 40) -> FeatureSpace:
    """Frames whose cells look alike but for the fifth cell of the last frame."""
    points = np.random.default_rng(seed).normal(0, 0.1, (frames, CHANNELS, CELLS)).astype(np.float32)
    points[-1, :, 5] += 3
    return FeatureSpace(points.reshape(frames, -1))


def test_rare_cells_weigh_more() -> None:
    weight = cell_rarity(space()).reshape(40, CELLS)
    assert weight.mean() == pytest.approx(1)
    assert weight[-1, 5] == weight.max()
    assert weight[-1, 5] > 3 * np.median(weight)
    assert np.delete(weight.ravel(), 39 * CELLS + 5).std() < 0.5


def test_powers() -> None:
    flat, plain, strong = (cell_rarity(space(), power) for power in (0.0, 1.0, 2.0))
    assert (flat == 1).all()
    assert strong.max() / np.median(strong) > plain.max() / np.median(plain)
    assert strong.mean() == pytest.approx(1)


def test_memory_or_disk_and_equal_frames() -> None:
    points = space()
    small = FeatureSpace(points.array, memory=0)
    assert cell_rarity(small) == pytest.approx(cell_rarity(points))
    assert (cell_rarity(FeatureSpace(np.zeros((3, CHANNELS * CELLS), np.float32))) == 1).all()


def test_a_cell_of_the_sample_is_not_its_own_neighbour() -> None:
    points = np.random.default_rng(0).normal(size=(400, 4 * CELLS)).astype(np.float32)
    weight = cell_rarity(FeatureSpace(points))
    drawn = np.random.default_rng(0).permutation(400 * CELLS)[:2048]
    others = np.delete(weight, drawn)
    error = np.hypot(weight[drawn].std() / len(drawn) ** 0.5, others.std() / len(others) ** 0.5)
    assert abs(weight[drawn].mean() - others.mean()) < 4 * error
