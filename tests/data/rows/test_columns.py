"""Columns with few and with many different values hold what was put in."""

import math

import numpy as np
import pytest

from vergence.data.rows.columns import Column
from vergence.errors import InputError

FEW = {str: ["a", "", "b\udcff", "ä"], int: [0, -5, 2**63 - 1, 0], float: [0.5, math.nan, -0.0, math.inf]}


def many(kind):
    """The same, then more different values than are kept once each."""
    return FEW[kind] + {str: [f"w{k}" for k in range(9000)]}.get(kind, [kind(k + 7) for k in range(9000)])


@pytest.mark.parametrize("kind", [str, int, float])
@pytest.mark.parametrize("values", [FEW.get, many], ids=["few", "many"])
def test_values_come_back(kind, values):
    values = values(kind)
    column = Column.of(kind, values)
    assert (column.codes is None) == (len(values) > 4096)
    rows = np.array([3, 2, 1, 0, len(values) - 1])
    assert repr(column.listed(rows)) == repr([values[row] for row in rows])
    assert repr([column[row] for row in range(4)]) == repr(values[:4])
    assert repr(column.reordered(rows).listed(slice(None))) == repr([values[row] for row in rows])
    assert column.given()[:4].tolist() == [bool(value) and value == value for value in values[:4]] or kind is float
    codes, words = column.factorised()
    assert len(codes) == len(column) == len(values)
    assert len(words) == len({repr(value) for value in values})
    if kind is not str:
        np.testing.assert_array_equal(column.numbers(), values)


def test_a_number_is_given_unless_it_is_nan():
    assert Column.of(float, FEW[float]).given().tolist() == [True, False, True, True]
    assert Column.of(float, [math.nan]).empty()
    assert not Column.of(float, [0.0]).empty()


def test_rows_without_a_number_hold_the_same_nan():
    for values in ([math.nan], [float(k) for k in range(9000)] + [math.nan]):
        assert Column.of(float, values).listed(slice(None))[-1] is math.nan


@pytest.mark.parametrize("values", [["b", "a", "b"], [f"{k}" for k in range(5000)] + ["b", "a", "b"]])
def test_counts_are_in_order_of_appearance(values):
    counts = Column.of(str, values).counted(np.arange(len(values) - 3, len(values)))
    assert list(counts.items()) == [("b", 2), ("a", 1)]


def test_a_constant_takes_no_memory():
    column = Column.constant(float, math.nan, 10**12)
    assert (len(column), column[10**11] is math.nan) == (10**12, True)


def test_what_no_column_holds():
    with pytest.raises(InputError, match="too large a number"):
        Column.of(int, [10**30])
    with pytest.raises(InputError, match="is no text"):
        Column.of(str, ["\ud800"])
