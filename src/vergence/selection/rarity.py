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

    Rarity is the mean distance to the nearest hundredth of a sample of the others, between 1/4 and 4 times its mean.

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
    itself = torch.full((total,), -1, device=sample.device)
    itself[torch.from_numpy(drawn).to(sample.device)] = torch.arange(len(drawn), device=sample.device)
    nearest = min(_NEAREST, len(drawn) - 1)
    rarities = list[torch.Tensor]()
    for start, block in space.blocks():
        own = itself[start * cells : (start + len(block)) * cells]
        for rows, places in zip(_cells(block, cells).split(256), own.split(256 * cells), strict=True):
            distance = torch.cdist(rows.flatten(0, 1), sample)
            sampled = (places >= 0).nonzero()[:, 0]
            distance[sampled, places[sampled]] = torch.inf
            rarities.append(distance.topk(nearest, largest=False).values.mean(1).cpu())
    rarity = torch.cat(rarities).double().numpy()
    mean = rarity.mean()
    if mean <= 0:
        return np.ones(total)
    weight = (rarity / mean).clip(*_LIMITS) ** power
    return weight / weight.mean()


def _cells(points: torch.Tensor, cells: int) -> torch.Tensor:
    """Points (n, C * cells) as (n, cells, C)."""
    return points.reshape(len(points), -1, cells).transpose(1, 2)
