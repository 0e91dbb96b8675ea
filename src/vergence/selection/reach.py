"""Frames whose labels reach most of a video: a greedy cover, and how far the labels of each frame are carried."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vergence.motion.confidence import Trust, vote_weight
from vergence.motion.track import advance, begin


class Reach(NamedTuple):
    """What labels of one frame would give to others (and to itself)."""

    targets: NDArray[np.int64]
    """(n,) places of what is reached: frames, or parts of them."""
    shares: NDArray[np.float64]
    """(n,) in [0, 1]: how much of each is reached, weighted by how sure it is."""


class CoverPick(NamedTuple):
    """A chosen frame."""

    row: int
    gain: float
    """By how much the covered sum grows with it."""


def greedy_cover(
    reaches: Sequence[Reach],
    count: int,
    weight: NDArray[np.floating] | None = None,
    known: Sequence[int] = (),
    allowed: NDArray[np.bool_] | None = None,
) -> list[CoverPick]:
    """Choose the frame that adds most to what is covered, again and again; the first of equal ones.

    A target is covered as far as the chosen frame that reaches it best does. The sum grows less and less with more
    frames (it is submodular), so that the greedy choice covers at least 1 - 1 / e of what the best one would
    (Nemhauser, Wolsey and Fisher, 1978), and a gain once computed bounds all later ones: few are computed again.

    Args:
        reaches: of each frame.
        count: how many to choose.
        weight: (M,) of each target, such as its rarity; 1 where not given.
        known: frames that are labelled already.
        allowed: (N,), which frames may be chosen.

    Returns:
        ``count`` picks in order; fewer where no frame adds anything.

    Raises:
        ValueError: a share outside of [0, 1], or shapes that do not fit.

    Example:
        >>> reaches = [Reach(np.array([0, 1]), np.array([1.0, 0.5])), Reach(np.array([1, 2]), np.array([1.0, 1.0]))]
        >>> [pick.row for pick in greedy_cover(reaches, 2)]
        [1, 0]
    """
    total = 1 + max((int(reach.targets.max()) for reach in reaches if len(reach.targets)), default=-1)
    weight = np.ones(total) if weight is None else np.asarray(weight, np.float64)
    for index, reach in enumerate(reaches):
        if reach.targets.shape != reach.shares.shape or ((reach.shares < 0) | (reach.shares > 1)).any():
            raise ValueError(f"reach {index} needs as many shares in [0, 1] as targets")
    if len(weight) < total or (allowed is not None and len(allowed) != len(reaches)):
        raise ValueError(f"expected weights of {total} targets and allowed of {len(reaches)} frames")
    covered = np.zeros(len(weight))

    def gain(row: int) -> float:
        targets, shares = reaches[row]
        return float((weight[targets] * np.maximum(shares - covered[targets], 0)).sum())

    def take(row: int) -> None:
        targets, shares = reaches[row]
        np.maximum.at(covered, targets, shares)

    for row in known:
        take(row)
    shut = set(known)
    heap = [(-gain(row), row) for row in range(len(reaches)) if row not in shut and (allowed is None or allowed[row])]
    heapq.heapify(heap)
    picks: list[CoverPick] = []
    while heap and len(picks) < count:
        _, row = heapq.heappop(heap)
        now = gain(row)
        if now <= 0:
            continue
        if heap and (-now, row) > heap[0]:  # another one may be better by now
            heapq.heappush(heap, (-now, row))
            continue
        picks.append(CoverPick(row, now))
        take(row)
    return picks


def covered_by(reaches: Sequence[Reach], order: Sequence[int], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """(len(order),): what is covered after each frame of an order, as a share of the sum of ``weight`` (M,)."""
    covered, totals = np.zeros(len(weight)), []
    for row in order:
        targets, shares = reaches[row]
        np.maximum.at(covered, targets, shares)
        totals.append(float((weight * covered).sum()))
    return np.asarray(totals) / max(float(weight.sum()), 1e-12)


def carried_weights(
    frames: Callable[[int], Tensor],
    times: Sequence[float],
    pairs: Callable[[int], tuple[Tensor, Tensor] | None],
    key: int,
    seconds: float,
    trust: Trust | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """(place, weight (H, W)) with which labels of the frame ``key`` arrive at the frames after it, then before it.

    Args:
        frames: (place) -> (3, H, W) float in [0, 1], in order of time.
        times: seconds of each.
        pairs: (place) -> flow to the next frame and back, (2, H, W) each; None where the video stops.
        key: place of the frame that would be labelled.
        seconds: how far labels are carried.
    """
    trust = trust or Trust()
    for step in (1, -1):
        track = begin(*frames(key).shape[-2:])
        frame = key + step
        while 0 <= frame < len(times) and (gap := abs(times[frame] - times[key])) <= seconds:
            pair = pairs(min(frame, frame - step))
            if pair is None:
                break
            ahead, back = pair if step > 0 else pair[::-1]
            track = advance(track, back, ahead)
            yield frame, vote_weight(track, frames(key), frames(frame), gap, trust)
            frame += step
