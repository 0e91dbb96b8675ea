"""NumPy's arrays and bytes as Arrow's arrays and back, by their buffers.

Arrow's own ways (``pyarrow.array``, ``pyarrow.scalar``, ``to_numpy``) look whether what they are given is pandas', and
for that import it wherever it is installed: a third of a second before anything starts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def arrow_numbers(values: NDArray[np.integer] | NDArray[np.floating]) -> pa.Array:
    """Whole or floating-point numbers (N,) in an Arrow array that shares their memory where it is contiguous.

    >>> arrow_numbers(np.array([3, 3, 4])).type
    DataType(int64)
    """
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def arrow_number(value: float, kind: pa.DataType) -> pa.Scalar:
    """One number of a type of Arrow's, for Arrow's functions."""
    return arrow_numbers(np.array([value])).cast(kind)[0]


def arrow_flags(values: NDArray[np.bool_]) -> pa.BooleanArray:
    """Truth values (N,) as an Arrow array."""
    return arrow_numbers(values.view(np.uint8)).cast(pa.bool_())


def arrow_words(values: Sequence[bytes]) -> pa.LargeBinaryArray:
    """Byte strings as an Arrow array.

    >>> arrow_words([b"road", b""]).to_pylist()
    [b'road', b'']
    """
    ends = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=ends[1:])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.large_binary(), len(values), buffers)


def arrow_word(value: bytes) -> pa.LargeBinaryScalar:
    """One byte string for Arrow's functions."""
    return arrow_words([value])[0]


def numpy_numbers(values: pa.Array) -> NDArray[Any]:
    """Numbers of an Arrow array without nulls (N,), in its memory: not to be written to.

    >>> numpy_numbers(arrow_numbers(np.array([0.5, 2.0])))
    array([0.5, 2. ])
    """
    assert not values.null_count
    dtype = np.dtype(values.type.to_pandas_dtype())
    if not len(values):
        return np.empty(0, dtype)
    return np.frombuffer(values.buffers()[1], dtype, len(values), values.offset * dtype.itemsize)


def numpy_flags(values: pa.BooleanArray) -> NDArray[np.bool_]:
    """Truth values of an Arrow array without nulls (N,)."""
    return numpy_numbers(values.cast(pa.uint8())).view(np.bool_)


def word_ends(values: pa.Array) -> NDArray[Any]:
    """Where each text of an array, or of a slice, begins in the bytes of all, and where the last ends: (N + 1,)."""
    wide = pa.types.is_large_binary(values.type) or pa.types.is_large_string(values.type)
    if len(values) == 0:
        return np.zeros(1, np.int64)
    return np.frombuffer(values.buffers()[1], np.int64 if wide else np.int32)[
        values.offset : values.offset + len(values) + 1
    ]


def letters(values: pa.Array) -> NDArray[np.uint8]:
    """The bytes of all texts one after the other, in which :func:`word_ends` counts."""
    return np.frombuffer(values.buffers()[2] or b"", np.uint8)


def may_hold(values: pa.Array, word: bytes) -> bool:
    """Whether the bytes of texts, written one after the other, hold a word: never false where one of them does.

    Arrow's own search takes ten times as long.

    >>> may_hold(arrow_words([b"s3://frames", b""]), b"://")
    True
    """
    ends = word_ends(values)
    if ends[0] == ends[-1]:
        return False
    written = letters(values)[ends[0] : ends[-1]].tobytes()
    return word[:1] in written and word in written  # a single letter is found ten times as fast
