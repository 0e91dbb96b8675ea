"""Orders of frames that need no distances: at random, uniform in time, by a score; and the steps of a selection."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PAPER_STEPS = (25, 50, 100, 200, 372, 744)
"""Labelled frames after each step (section 5.3)."""


def random_order(total: int, seed: int) -> list[int]:
    """A permutation by NumPy's legacy generator, as the paper's seeds 42, 43 and 44 mean it."""
    return [int(row) for row in np.random.RandomState(seed % 2**32).permutation(total)]


def uniform_order(groups: Sequence[object], times: Sequence[int]) -> list[int]:
    """All frames, so ordered that each beginning is spread evenly in time over each group, and fairly over groups.

    Inside a group frames come at the fractions 1/2, 1/4, 3/4, 1/8, ... of its length (van der Corput); groups take
    turns in proportion to their lengths.

    Args:
        groups: of each frame, such as (sequence, camera).
        times: of each frame, in its group.

    Example:
        >>> uniform_order(["drive"] * 8, range(8))
        [4, 2, 6, 1, 5, 3, 7, 0]
    """
    members: dict[object, list[int]] = {}
    for row in np.argsort(np.asarray(times), kind="stable").tolist():
        members.setdefault(groups[row], []).append(row)
    turns = []
    for rows in members.values():
        spread = spread_order(len(rows))
        turns += [((turn + 0.5) / len(rows), rows[index]) for turn, index in enumerate(spread)]
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def spread_order(total: int) -> list[int]:
    """Places 0 to ``total`` - 1, so ordered that each beginning is spread evenly.

    Example:
        >>> spread_order(8)
        [4, 2, 6, 1, 5, 3, 7, 0]
    """
    bits = max(1, total - 1).bit_length() + 1
    fractions = (int(f"{number:0{bits}b}"[::-1], 2) / 2**bits for number in range(1, 2**bits))
    order = dict.fromkeys(int(fraction * total) for fraction in fractions)
    return [*order, *(index for index in range(total) if index not in order)]


def top_scores(scores: NDArray[np.floating], count: int, allowed: NDArray[np.bool_]) -> list[int]:
    """The ``count`` allowed places with the largest scores, largest first; the first of equal ones.

    Example:
        >>> top_scores(np.array([0.2, 0.9, 0.5]), 2, allowed=np.array([True, False, True]))
        [2, 0]
    """
    rows = np.flatnonzero(allowed)
    best = np.argsort(-scores[rows], kind="stable")[:count]
    return [int(row) for row in rows[best]]


def default_steps(count: int) -> list[int]:
    """The paper's steps below ``count``, doubling beyond them, and ``count`` itself; halves of a small count.

    Example:
        >>> default_steps(372)
        [25, 50, 100, 200, 372]
    """
    if count <= PAPER_STEPS[0]:
        return sorted({(count + 1) // 2, count} - {0})
    steps = [step for step in PAPER_STEPS if step < count]
    while steps[-1] >= PAPER_STEPS[-1] and 2 * steps[-1] < count:
        steps.append(2 * steps[-1])
    return [*steps, count]


def first_of_each(digests: NDArray[np.uint64], closed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which frames may be chosen: the first of equal ones, where none of these is closed.

    Args:
        digests: (N,), equal for identical images.
        closed: (N,), which frames are not to be chosen.

    Example:
        >>> first_of_each(np.array([7, 7, 8], np.uint64), closed=np.zeros(3, bool)).tolist()
        [True, False, True]
    """
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    allowed = np.zeros(len(digests), dtype=bool)
    allowed[first] = True
    shut = np.zeros(len(first), dtype=bool)
    shut[group[closed]] = True
    return allowed & ~shut[group]
