"""Numeric matrices from MATLAB files of version 5 to 7, without a library: what public data sets keep depth in.

After MathWorks' "MAT-File Format": a header of 128 bytes, then elements of a tag (type and length) and data, which
may each be compressed.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured.text import LIMITS, read_bytes
from vergence.errors import InputError

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15
_HEADER = 128
_COMPLEX = 0x08
_NUMERIC_CLASSES = range(6, 16)


def read_matrix(path: Path | str, variable: str) -> NDArray[Any]:
    """A matrix of real numbers by its name; it may have any number of dimensions.

    Raises:
        InputError: missing, too large (packed or unpacked), no such file format, damaged, or without that variable.
    """
    content = read_bytes(path, "matlab", "correct the manifest or put the file there")
    if b"MATLAB 7.3" in content[:_HEADER]:
        raise InputError(f"{path} is of MATLAB 7.3 (HDF5); save it with the option -v7, or as .npy in metres.")
    if len(content) < _HEADER or content[126:128] not in (b"IM", b"MI"):
        raise InputError(f"{path} is no MATLAB file of version 5 to 7; save it with the option -v7, or as .npy.")
    order = "<" if content[126:128] == b"IM" else ">"
    names = []
    try:
        for kind, data in _elements(content[_HEADER:], order):
            if kind == _COMPRESSED:
                kind, data = next(_elements(_unpacked(data), order))
            if kind == _MATRIX:
                name, matrix = _matrix(data, order, variable)
                names.append(name)
                if matrix is not None:
                    return matrix
    except (struct.error, zlib.error, ValueError, KeyError, StopIteration, TypeError, MemoryError) as error:
        raise InputError(
            f"{path} is damaged or truncated ({error or 'an element is missing'}); copy it again."
        ) from error
    raise InputError(
        f"{path} has no matrix {variable!r} of real numbers, but {', '.join(names) or 'nothing'}; save it under that "
        "name."
    )


def _unpacked(data: bytes) -> bytes:
    """A few bytes may unpack into gigabytes: no further than the limit."""
    packed = zlib.decompressobj()
    content = packed.decompress(data, LIMITS["matlab"])
    if not packed.eof:
        raise ValueError("an element is cut off, or too large once it is unpacked")
    return content


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of the elements one after the other."""
    offset = 0
    while offset + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, offset)
        if kind >> 16:  # four bytes or less, in the tag itself
            yield kind & 0xFFFF, data[offset + 4 : offset + 4 + (kind >> 16)]
            offset += 8
            continue
        if offset + 8 + length > len(data):
            raise ValueError("it ends within an element")
        yield kind, data[offset + 8 : offset + 8 + length]
        offset += 8 + length + (0 if kind == _COMPRESSED else -length % 8)


def _matrix(data: bytes, order: str, variable: str) -> tuple[str, NDArray[Any] | None]:
    """Name and values of a matrix; None where it is another one, complex or not numeric."""
    parts = _elements(data, order)
    (flags,) = struct.unpack_from(f"{order}I", next(parts)[1])
    shape = np.frombuffer(next(parts)[1], dtype=f"{order}i4")
    name = next(parts)[1].decode("latin-1").rstrip("\0")
    if name != variable or (flags & 0xFF) not in _NUMERIC_CLASSES or flags >> 8 & _COMPLEX:
        return name, None
    kind, values = next(parts)
    return name, np.frombuffer(values, dtype=f"{order}{_NUMBERS[kind]}").reshape(tuple(shape), order="F")
