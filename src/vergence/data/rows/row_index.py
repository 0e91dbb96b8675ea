"""Where the frame beside a frame lies in a table: rows in the order of their streams, found by search."""

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from vergence.data.rows.columns import Column


class RowIndex:
    """Rows of a table by (sequence, camera) and position.

    Args:
        sequence: names.
        camera: names.
        position: numbers in the sequence.
    """

    def __init__(self, sequence: Column, camera: Column, position: Column) -> None:
        sequences, self._sequences = sequence.factorised()
        cameras, self._cameras = camera.factorised()
        streams = sequences.astype(np.int64) * max(1, len(self._cameras)) + cameras
        positions = position.numbers()
        later = (streams[1:] > streams[:-1]) | ((streams[1:] == streams[:-1]) & (positions[1:] > positions[:-1]))
        self._order = None if later.all() else np.lexsort((positions, streams)).astype(np.int32)
        """Rows in the order of stream and position; None where the table has this order."""
        self._place: NDArray[np.int32] | None = None
        """The place of each row in that order."""
        if self._order is not None:
            streams, positions = streams[self._order], positions[self._order]
            self._place = np.empty_like(self._order)
            self._place[self._order] = np.arange(len(self._order), dtype=np.int32)
        self._streams = streams.astype(np.int32) if len(streams) and streams.max() < 2**31 else streams
        self._positions = positions

    def doubled(self) -> tuple[int, int] | None:
        """The first row that shares its place with an earlier one, and before it that one."""
        if self._order is None:
            return None  # then positions grow
        same = (self._streams[1:] == self._streams[:-1]) & (self._positions[1:] == self._positions[:-1])
        if not same.any():
            return None
        at = 1 + int(np.flatnonzero(same)[np.argmin(self._order[1:][same])])
        start = at
        while start and same[start - 1]:
            start -= 1
        return int(self._order[start]), int(self._order[at])

    def neighbour(self, row: int, offset: int) -> int | None:
        """The row ``offset`` positions later in the same stream, or None."""
        streams, positions = self._streams, self._positions
        own = int(row if self._place is None else self._place[row])
        wanted = (int(streams[own]), int(positions[own]) + offset)
        low, high = max(0, own + min(0, offset)), min(len(streams), own + max(0, offset) + 1)
        at = low + bisect_left(range(low, high), wanted, key=lambda k: (int(streams[k]), int(positions[k])))
        if at == high or (int(streams[at]), int(positions[at])) != wanted:
            return None
        return at if self._order is None else int(self._order[at])

    def neighbours(self, rows: NDArray[np.integer], offset: int) -> NDArray[np.int64]:
        """The same of many rows, -1 where there is none."""
        places = np.asarray(rows if self._place is None else self._place[rows], dtype=np.int64)
        streams, neighbours = self._streams[places], np.full(len(places), -1)
        if abs(offset) >= 2**63:
            return neighbours
        start = self._positions[places].view(np.uint64)
        low = np.maximum(places + max(min(0, offset), -len(self._streams)), 0)
        high = np.minimum(places + min(max(0, offset), len(self._streams)), len(self._streams) - 1)
        while (open_ := low < high).any():  # positions of a stream differ: no more rows lie between than positions
            middle = (low + high) // 2
            before = self._before(middle, streams, start, offset)
            low, high = np.where(open_ & before, middle + 1, low), np.where(open_ & ~before, middle, high)
        hit = (self._streams[low] == streams) & (self._steps(low, start, offset) == np.uint64(abs(offset)))
        at = low[hit]
        neighbours[hit] = at if self._order is None else self._order[at]
        return neighbours

    def _before(
        self, at: NDArray[np.int64], streams: NDArray[np.integer], start: NDArray[np.uint64], offset: int
    ) -> NDArray[np.bool_]:
        """Whether places lie before the wanted ones."""
        steps, wanted = self._steps(at, start, offset), np.uint64(abs(offset))
        near = steps < wanted if offset > 0 else steps > wanted
        return (self._streams[at] < streams) | ((self._streams[at] == streams) & near)

    def _steps(self, at: NDArray[np.int64], start: NDArray[np.uint64], offset: int) -> NDArray[np.uint64]:
        """Positions from the start to places of the same stream, in the offset's direction; exact for all int64."""
        there = self._positions[at].view(np.uint64)
        return there - start if offset > 0 else start - there

    def by_name(self, rows: NDArray[np.integer]) -> NDArray[np.integer]:
        """Rows sorted by the names of sequence and camera, and position."""
        places = rows if self._place is None else self._place[rows]
        sequences, cameras = np.divmod(self._streams[places].astype(np.int64), max(1, len(self._cameras)))
        ranks = [
            _ranks(words.to_pylist())[codes]
            for words, codes in ((self._sequences, sequences), (self._cameras, cameras))
        ]
        return rows[np.lexsort((self._positions[places], ranks[1], ranks[0]))]


def _ranks(words: list[bytes]) -> NDArray[np.int64]:
    """Places of words among them sorted; UTF-8 sorts as text does."""
    ranks = np.empty(len(words), np.int64)
    ranks[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    return ranks
