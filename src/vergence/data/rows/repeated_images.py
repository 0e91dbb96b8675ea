"""Pictures that several rows of a table name."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vergence.data.rows.arrow_arrays import letters, word_ends
from vergence.data.rows.columns import Column

_AT_ONCE = 1 << 12
_WEIGHTS = np.random.default_rng(0).integers(1, 2**63, 1 << 12, dtype=np.uint64)


def repeated(column: Column) -> tuple[int, int, int] | None:
    """How many rows have a text that an earlier row has, the first of them, and that earlier row; None where none has.

    Memory is 16 bytes a row, whatever the texts are.
    """
    if column.codes is None and _rising(column.values):  # as layouts sort them: quickly seen
        return None
    marks = column.each(_marks)
    order = np.argsort(marks, kind="stable")
    same = np.flatnonzero(marks[order[1:]] == marks[order[:-1]])
    later, earlier = order[same + 1], order[same]
    sure = [
        k for k, pair in enumerate(zip(later, earlier, strict=True)) if column[int(pair[0])] == column[int(pair[1])]
    ]
    if not sure:
        return None
    first = min(sure, key=lambda k: int(later[k]))
    return len(sure), int(later[first]), int(earlier[first])


def _rising(texts: pa.LargeBinaryArray) -> bool:
    return pc.all(pc.less(texts[:-1], texts[1:])).as_py() is not False


def _marks(values: pa.LargeBinaryArray) -> NDArray[np.uint64]:
    """A number of 64 bits for each text: equal for equal ones, and hardly ever for others."""
    ends, written = word_ends(values), letters(values)
    marks = np.zeros(len(values), np.uint64)
    for start in range(0, len(values), _AT_ONCE):
        bounds = ends[start : start + _AT_ONCE + 1]
        lengths = np.diff(bounds)
        places = np.arange(bounds[0], bounds[-1]) - np.repeat(bounds[:-1], lengths)
        terms = (written[bounds[0] : bounds[-1]] + np.uint64(1)) * _WEIGHTS[places & (len(_WEIGHTS) - 1)]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        marks[start : start + _AT_ONCE] = sums[bounds[1:] - bounds[0]] - sums[bounds[:-1] - bounds[0]]
    return marks
