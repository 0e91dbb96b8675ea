"""What goes into Arrow's buffers comes out of them, and is what Arrow itself would make."""

import numpy as np
import pyarrow as pa
import pytest

from vergence.data.rows.arrow_arrays import (
    arrow_flags,
    arrow_number,
    arrow_numbers,
    arrow_word,
    arrow_words,
    may_hold,
    numpy_flags,
    numpy_numbers,
    word_ends,
)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64, np.float64])
@pytest.mark.parametrize("values", [[], [3], [0, 7, 65535]])
def test_numbers(kind, values):
    stored = arrow_numbers(np.array(values, kind))
    assert stored.equals(pa.array(np.array(values, kind)))
    stored.validate(full=True)
    back = numpy_numbers(stored)
    assert (back.dtype, back.tolist()) == (kind, values)


def test_numbers_share_memory_where_they_can():
    values = np.arange(6)
    values_in_arrow = arrow_numbers(values)
    assert np.shares_memory(numpy_numbers(values_in_arrow), values)
    assert numpy_numbers(values_in_arrow[2:4]).tolist() == [2, 3]
    assert arrow_numbers(values[::2]).to_pylist() == [0, 2, 4]
    with pytest.raises(AssertionError):
        numpy_numbers(pa.array([1, None]))


@pytest.mark.parametrize("values", [[], [True], [True, False, False, True, True, False, True, False, True]])
def test_flags(values):
    stored = arrow_flags(np.array(values, np.bool_))
    assert stored.equals(pa.array(values, pa.bool_()))
    assert numpy_flags(stored).tolist() == values
    assert numpy_flags(stored[1:]).tolist() == values[1:]


@pytest.mark.parametrize("values", [[], [b""], [b"road", b"", b"sidewalk", b"\xff\0"]])
def test_words(values):
    stored = arrow_words(values)
    assert stored.equals(pa.array(values, pa.large_binary()))
    stored.validate(full=True)


def test_single_values():
    assert arrow_word(b"road").equals(pa.scalar(b"road", pa.large_binary()))
    assert arrow_number(7, pa.int32()).equals(pa.scalar(7, pa.int32()))
    assert np.isnan(arrow_number(np.nan, pa.float64()).as_py())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_slices_of_words(kind):
    part = pa.array(["a:", "b", "", "://c"]).cast(kind)[1:]
    assert np.diff(word_ends(part)).tolist() == [1, 0, 4]
    assert [may_hold(part, word) for word in (b"://", b"b", b"a")] == [True, True, False]
    assert not any(may_hold(none, word) for none in (part[1:2], part[:0]) for word in (b"://", b"b", b":"))
