"""Tables of frames: rows as they were given, made when they are asked for."""

import dataclasses

import numpy as np

from tests.data.made_rows import rows
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.frame_table import FrameTable, Rows


def test_rows_come_back_in_any_order():
    given = [dataclasses.replace(row, split="val" if row.position % 3 else "") for row in rows(20_000, fx=0.5)]
    table = FrameTable.of_rows(iter(given))
    assert len(table) == 20_000
    assert list(table.rows(np.arange(20_000))) == given
    view = Rows(table, np.array([7, 0, 19_999]))
    assert (list(view), view[-1], len(view)) == ([given[7], given[0], given[-1]], given[-1], 3)
    assert view[1:] == [given[0], given[-1]]
    assert view != [given[0], given[-1], given[7]]


def test_columns_without_values_are_left_out():
    table = FrameTable.of_rows([FrameRow("", "", 0), FrameRow("", "", 1, fps=0.0)])
    assert list(table.columns) == ["position", "fps"]
    assert table.row(0) == FrameRow("", "", 0)
    assert table.given("label").tolist() == [False, False]
    assert table.column("label").listed(slice(None)) == ["", ""]
