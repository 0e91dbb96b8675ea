"""Digests of columns are those of the rows, written out."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

from vergence.data.rows.frame_row import COLUMNS, LATER_COLUMNS, NEIGHBOUR_COLUMNS, PATH_COLUMNS, FrameRow
from vergence.data.rows.frame_table import FrameTable
from vergence.data.rows.manifest_digest import digest_rows


def written_out(rows, columns):
    """The definition, row by row."""
    hasher = hashlib.sha256()
    for row in rows:
        values = {name: getattr(row, name) for name in columns}
        values.update({name: Path(values[name]).name for name in PATH_COLUMNS if name in values})
        for name in LATER_COLUMNS:
            if name in values and (
                not values[name] or math.isnan(values[name] if isinstance(values[name], float) else 0)
            ):
                del values[name]
        hasher.update(repr(list(values.values())).encode())
    return hasher.hexdigest()[:12]


def drawn(count, odd=""):
    names = [f"{odd}drive{k % 7}/{k}.png" for k in range(count)]
    return [
        FrameRow(
            name,
            f"s{k // 50}",
            k % 50,
            fx=0.5 + k / 7,
            label=name if k % 3 else "",
            depth_scale=1.0 + k,
            lens="ab"[: k % 2],
        )
        for k, name in enumerate(names)
    ]


@pytest.mark.parametrize("odd", ["", "it's", "ä\u200b", "\udcff", "back\\slash", "double//", "./", "/"])
@pytest.mark.parametrize("count", [3, 5000])
def test_as_written_out(odd, count):
    rows = [*drawn(count, odd), FrameRow("a/", "z", 0), FrameRow("b/.", "z", 1), FrameRow("c/..", "z", 2)]
    for given in (rows, rows[:count]):
        table = FrameTable.of_rows(given)
        for columns in (COLUMNS, NEIGHBOUR_COLUMNS):
            assert digest_rows(table, np.arange(len(given)), columns) == written_out(given, columns)
    some = np.array([2, 0])
    assert digest_rows(table, some, COLUMNS) == written_out([rows[2], rows[0]], COLUMNS)


def test_many_rows():
    rows = [
        FrameRow(f"{k}.png", f"s{k % 900}", k // 900, camera=f"c{k % 111}", width=k % 77 + 1) for k in range(70_000)
    ]
    assert digest_rows(FrameTable.of_rows(rows), np.arange(len(rows)), COLUMNS) == written_out(rows, COLUMNS)


def test_no_rows():
    assert digest_rows(FrameTable.of_rows([]), np.arange(0), COLUMNS) == hashlib.sha256().hexdigest()[:12]
