"""How rare what a cell of a frame shows is among all frames, in feature space."""

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.selection.features import POOLED, FeatureSpace

_SAMPLE = 2048
_NEAREST = 20
_LIMITS = (0.25, 4.0)


def cell_rarity(space: FeatureSpace, power: float = 1.0) -> NDArray[np.float64]:
    """Weights (N * cells,) of the cells of all frames, mean 1, frame by frame: large where few cells look alike.

    Rarity is the mean distance to the nearest hundredth of a sample of all cells, between 1/4 and 4 times its mean.

    Args:
        space: frames as points; columns are channels of places.
        power: of rarity; 0 makes all cells equal.
    """
    cells = POOLED[0] * POOLED[1]
    total = len(space) * cells
    if power == 0 or total == 0:
        return np.ones(total)
    drawn = np.sort(np.random.default_rng(0).permutation(total)[:_SAMPLE])
    sample = _cells(space.points(drawn // cells), cells)[torch.arange(len(drawn)), torch.from_numpy(drawn % cells)]
    nearest = min(_NEAREST, len(drawn))
    blocks = [
        torch.cdist(rows.flatten(0, 1), sample).topk(nearest, largest=False).values.mean(1).cpu()
        for _, block in space.blocks()
        for rows in _cells(block, cells).split(256)
    ]
    rarity = torch.cat(blocks).double().numpy()
    mean = rarity.mean()
    if mean <= 0:
        return np.ones(total)
    weight = (rarity / mean).clip(*_LIMITS) ** power
    return weight / weight.mean()


def _cells(points: torch.Tensor, cells: int) -> torch.Tensor:
    """Points (n, C * cells) as (n, cells, C)."""
    return points.reshape(len(points), -1, cells).transpose(1, 2)
