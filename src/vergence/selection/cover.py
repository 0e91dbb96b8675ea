"""Frames chosen by how far their labels reach, and why each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.errors import InputError
from vergence.selection.reach import greedy_cover
from vergence.selection.video_reach import CELLS, VideoReach, each_way


def frame_weights(cells: NDArray[np.float64], closed: Sequence[int]) -> NDArray[np.float64]:
    """Weights of cells, of which those of some frames count nothing: nothing has to reach frames to judge by."""
    weights = cells.reshape(-1, CELLS).copy()
    weights[list(closed)] = 0
    return weights.reshape(-1)


def cover(
    reaches: VideoReach,
    count: int,
    weight: NDArray[np.float64],
    known: Sequence[int],
    allowed: NDArray[np.bool_],
    name: str,
) -> tuple[list[int], list[dict[str, Any]]]:
    """The chosen rows in order, and of each what ``selection.json`` says about it.

    Raises:
        InputError: so many frames are not needed to reach everything.
    """
    picks = greedy_cover(reaches, count, weight, known, allowed)
    if len(picks) < count:
        raise InputError(
            f"{count} frames are asked for and labels of {len(picks)} of {name} reach all that labels can reach; ask "
            "for fewer."
        )
    best = np.zeros(len(weight))
    for row in known:
        targets, shares = reaches[row]
        np.maximum.at(best, targets, shares)
    reasons = []
    for pick in picks:
        targets, shares = reaches[pick.row]
        counted = targets[weight[targets] > 0]
        before = float(best[counted].sum())
        np.maximum.at(best, targets, shares)
        new = (float(best[counted].sum()) - before) / CELLS
        reasons.append({"adds": new, "rarity": pick.gain / CELLS / max(new, 1e-9), "reach": _told(reaches, pick.row)})
    return [pick.row for pick in picks], reasons


def _told(reaches: VideoReach, row: int) -> dict[str, Any]:
    """How far the label of a frame reaches: frames, seconds and the share of their pixels, before and after it."""
    sides = zip(("before", "after"), each_way(reaches, row), strict=True)
    return {side: {"frames": frames, "seconds": far, "share": share} for side, (frames, far, share) in sides}
