"""Which frames lie between which labelled ones: pieces of video over which labels are carried, each by itself."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from vergence.data.manifest import Manifest
from vergence.errors import InputError

_log = logging.getLogger("vergence")

JUDGES = ("val", "test")
"""Splits whose labels judge."""
ASSUMED_FPS = 10.0
"""Where a manifest does not say."""


@dataclass(frozen=True)
class Segment:
    """Neighbouring rows in order of time, and the labelled ones (keys) at the ends, None where there is none near."""

    before: int | None
    rows: tuple[int, ...]
    after: int | None

    @property
    def chain(self) -> tuple[int, ...]:
        """All rows, keys among them, in order."""
        ends = [() if key is None else (key,) for key in (self.before, self.after)]
        return (*ends[0], *self.rows, *ends[1])

    @property
    def keys(self) -> tuple[int, ...]:
        """The labelled rows at the ends."""
        return tuple(key for key in (self.before, self.after) if key is not None)

    @property
    def ends(self) -> tuple[bool, bool]:
        """Whether it begins and ends with a key."""
        return self.before is not None, self.after is not None


def check_rates(manifest: Manifest, seconds: float) -> None:
    """InputError where frames of one sequence and camera have several rates; a line in the log where none is known."""
    rates: dict[tuple[str, str], float | None] = {}
    for row in manifest:
        if (first := rates.setdefault((row.sequence, row.camera), row.rate)) != row.rate:
            several = " and ".join(f"{one:g}" if one else "unknown" for one in (first, row.rate))
            raise InputError(
                f"frames of sequence {row.sequence!r} in {manifest.name} have several rates (fps {several}); "
                "give them one, or each rate a sequence of its own."
            )
    if unknown := [sequence for (sequence, _), rate in rates.items() if not rate]:
        _log.info(
            "%s does not say how many frames a second sequence %r has (column fps): %g are assumed, so that %g seconds "
            "are %g frames", manifest.name, unknown[0], ASSUMED_FPS, seconds, round(seconds * ASSUMED_FPS, 3),
        )  # fmt: skip


def seconds_between(manifest: Manifest, first: int, second: int) -> float:
    """Time between two rows of one sequence, by their positions and frame rate."""
    rate = manifest[first].rate or ASSUMED_FPS
    return abs(manifest[second].position - manifest[first].position) / rate


def key_rows(manifest: Manifest) -> list[int]:
    """Rows whose labels are carried: made by hand, in a split that teaches; or of all splits where none of these does.

    Labels to judge by, carried to the frames beside them, would be learned.
    """
    judging = [index for index, row in enumerate(manifest) if row.judges]
    return [index for index in judging if manifest[index].split not in JUDGES] or judging


def segments(manifest: Manifest, seconds: float) -> Iterator[Segment]:
    """Pieces of all sequences in which every frame is at most so many seconds from a key at an end.

    A gap in the positions that is longer than this ends a piece, too. Two keys that are neighbours have none between.
    """
    videos: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(manifest):
        videos.setdefault((row.sequence, row.camera), []).append(index)
    chosen = set(key_rows(manifest))
    for indices in videos.values():
        indices.sort(key=lambda index: manifest[index].position)
        keys = [frame for frame, index in enumerate(indices) if index in chosen]
        for first, last in zip([None, *keys], [*keys, None], strict=True):
            yield from _between(manifest, indices, first, last, seconds)


def _between(
    manifest: Manifest, indices: list[int], first: int | None, last: int | None, seconds: float
) -> Iterator[Segment]:
    before = None if first is None else indices[first]
    after = None if last is None else indices[last]
    inner = indices[0 if first is None else first + 1 : last]
    near = _reached(manifest, before, inner, seconds)
    back = _reached(manifest, after, inner[::-1], seconds)[::-1]
    if near and back and len(near) + len(back) >= len(inner):
        yield Segment(before, tuple(inner), after)
        return
    if near:
        yield Segment(before, tuple(near), None)
    if back:
        yield Segment(None, tuple(back), after)


def _reached(manifest: Manifest, key: int | None, rows: list[int], seconds: float) -> list[int]:
    """Rows in this order from a key, until one is too far from it or from the one before."""
    reached: list[int] = []
    if key is not None:
        for row in rows:
            if seconds_between(manifest, key, row) > seconds:
                break
            reached.append(row)
    return reached
