"""Train and val for data that come without a split: whole sequences, or the end of each one."""

import dataclasses
import logging
from collections.abc import Sequence

from vergence.data.layouts.files import natural_key
from vergence.data.rows.frame_row import FrameRow

SHARE = 0.1
"""Share of the frames held back."""
LARGEST_SHARE = 0.25
GAP = 5
"""Frames between train and val that are in neither, so that no val frame is a neighbour of a train frame."""
_log = logging.getLogger("vergence")


def assign_splits(rows: Sequence[FrameRow], name: str) -> list[FrameRow]:
    """Rows with ``split`` filled in, and one line in the log that says how.

    Whole sequences are held back, from the last one (in natural order) on, until they hold a tenth of the frames; a
    sequence that would take more than a quarter is passed over. Where that leaves none (a single sequence), the last
    tenth of each sequence in time is held back, after a gap of a few frames that stay without a split.
    Fewer than 20 frames are not worth a split: all of them train.
    """
    if len(rows) < 20:
        _log.info("%s: %d frames are too few to hold any back, all of them train", name, len(rows))
        return [dataclasses.replace(row, split="train") for row in rows]
    held = _held_sequences(rows)
    if held:
        _log.info("%s: no split of its own; held back as val: %s", name, _some(held))
        return [dataclasses.replace(row, split="val" if row.sequence in held else "train") for row in rows]
    _log.info("%s: no split of its own; the last 10 %% of each sequence is val, after a gap of %d frames", name, GAP)
    return split_in_time(rows)


def _held_sequences(rows: Sequence[FrameRow]) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.sequence] = counts.get(row.sequence, 0) + 1
    held: list[str] = []
    total = 0
    for sequence in sorted(counts, key=natural_key, reverse=True):
        if total >= SHARE * len(rows):
            break
        if total + counts[sequence] <= LARGEST_SHARE * len(rows):
            held.append(sequence)
            total += counts[sequence]
    return held


def split_in_time(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """Rows of which the last tenth of each sequence is val, after :data:`GAP` frames without a split."""
    positions: dict[str, list[int]] = {}
    for row in rows:
        positions.setdefault(row.sequence, []).append(row.position)
    limits: dict[str, tuple[int, int]] = {}
    for sequence, unsorted in positions.items():
        ordered = sorted(set(unsorted))
        first = len(ordered) - round(SHARE * len(ordered))
        if first - GAP < 2 or first == len(ordered):  # too short to be cut
            limits[sequence] = (ordered[-1] + 1, ordered[-1] + 1)
        else:
            limits[sequence] = (ordered[first - GAP], ordered[first])
    result = []
    for row in rows:
        train_end, val_start = limits[row.sequence]
        split = "train" if row.position < train_end else "val" if row.position >= val_start else ""
        result.append(dataclasses.replace(row, split=split))
    return result


def _some(names: Sequence[str], count: int = 4) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
