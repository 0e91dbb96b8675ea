"""Neighbours that are found by search are those that a dictionary knows."""

import numpy as np
import pytest

from vergence.data.rows.columns import Column
from vergence.data.rows.row_index import RowIndex


def index(keys):
    names, cameras, positions = zip(*keys, strict=True)
    return RowIndex(Column.of(str, names), Column.of(str, cameras), Column.of(int, positions))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ordered", [False, True])
def test_against_a_dictionary(seed, ordered):
    rng = np.random.default_rng(seed)
    drawn = {(f"s{a}", f"c{b}", int(p)) for a, b, p in zip(*rng.integers([[3], [2], [30]], size=(3, 90)), strict=True)}
    keys = sorted(drawn) if ordered else list(drawn)
    rows, place = index(keys), {key: number for number, key in enumerate(keys)}
    asked = rng.permutation(len(keys))
    for offset in (-40, -3, -2, -1, 1, 2, 5, 10**6, 2**70):
        truth = [place.get((*keys[row][:2], keys[row][2] + offset)) for row in asked]
        assert [rows.neighbour(row, offset) for row in asked] == truth
        assert rows.neighbours(asked, offset).tolist() == [-1 if row is None else row for row in truth]
    assert [keys[row] for row in rows.by_name(asked)] == sorted(keys)


def test_positions_at_the_ends_of_what_a_number_holds():
    rows = index([("a", "", 2**63 - 1), ("a", "", -(2**63)), ("a", "", 0)])
    assert rows.neighbours(np.arange(3), 1).tolist() == [-1, -1, -1]
    assert rows.neighbours(np.arange(3), 2**63 - 1).tolist() == [-1, -1, 0]
    assert (rows.neighbour(0, 1), rows.neighbour(1, -1), rows.neighbour(1, 2**63)) == (None, None, 2)


def test_more_sequences_than_are_kept_once_each():
    rows = index([(f"s{k // 2}", "", k % 2) for k in range(20_000)])
    assert rows.neighbours(np.arange(4), 1).tolist() == [1, -1, 3, -1]
    assert rows.neighbour(19_999, -1) == 19_998


def test_the_first_row_that_comes_twice():
    assert index([("a", "", 1), ("b", "", 1)]).doubled() is None
    assert index([("b", "", 5), ("a", "", 1), ("a", "", 2), ("a", "", 1), ("b", "", 5), ("a", "", 1)]).doubled() == (
        1,
        3,
    )
    assert index([("b", "", 1), ("a", "", 1), ("a", "", 1)]).doubled() == (1, 2)
