"""NumPy files: whole arrays and memory maps, their headers checked before memory or disk is given to what they say."""

import os
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from vergence.data.buckets.remote import local
from vergence.data.structured.text import LIMITS, MB
from vergence.errors import InputError

_HEADERS = threading.RLock()
"""NumPy parses headers with ``ast``, which several threads at once break in Python 3.11 (SystemError)."""
_FAULTS = (
    OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, SyntaxError, tokenize.TokenError,
)  # fmt: skip


def read_array(path: Path, remedy: str = "make it again") -> NDArray[Any]:
    """The array of a .npy file; InputError where it is missing, damaged, larger than it may be, or holds objects."""
    mapped = map_array(path, "r", remedy=remedy)
    if mapped.nbytes > LIMITS["arrays"]:
        raise InputError(f"{path} holds more than {LIMITS['arrays'] // MB} MB; {remedy}.")
    return mapped.copy()


def read_arrays(path: Path, remedy: str = "make it again", need: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name; InputError as of :func:`read_array`, or where one of ``need`` is lacking."""
    with _opened(path, remedy) as file, zipfile.ZipFile(file) as held:
        if sum(member.file_size for member in held.infolist()) > LIMITS["arrays"]:
            raise ValueError(f"more than {LIMITS['arrays'] // MB} MB unpacked")
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        lacking = [name for name in need if not isinstance(arrays.get(name), np.ndarray)]
        if lacking:
            raise ValueError(f"it has no array {lacking[0]}")
    return arrays


def map_array(
    path: Path,
    mode: Literal["r", "r+"] = "r",
    shape: tuple[int, ...] | None = None,
    dtype: str | None = None,
    remedy: str = "make it again",
) -> "np.memmap[Any, Any]":
    """A .npy file as a memory map. The file must be as long as its header says: in mode "r+" NumPy would lengthen it.

    Raises:
        InputError: missing, no regular file, damaged, objects; another shape or type than was asked for.
    """
    with _opened(path, remedy) as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"version {version} of the format")
        stored, by_columns, kind = read[version](file)
        if kind.hasobject:
            raise ValueError("it holds Python objects")
        if (shape is not None and stored != shape) or (dtype is not None and kind != np.dtype(dtype)):
            raise ValueError(f"{kind} of shape {stored}, expected {dtype or kind} of {shape or stored}")
        count = kind.itemsize
        for side in stored:
            count *= int(side)
        if count < 1 or os.fstat(file.fileno()).st_size != file.tell() + count:
            raise ValueError(f"it is not as long as its shape {stored} says")
        order: Literal["F", "C"] = "F" if by_columns else "C"
        return np.memmap(path, kind, mode, offset=file.tell(), shape=stored, order=order)


@contextmanager
def _opened(path: Path, remedy: str) -> Iterator[BinaryIO]:
    """The file; whatever NumPy says of it becomes an InputError. Headers are parsed by one thread at a time."""
    path = local(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise InputError(f"{path} is no regular file, expected NumPy arrays; {remedy}.")
    try:
        with _HEADERS, path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {remedy}.") from None
    except _FAULTS as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as NumPy arrays ({reason}); {remedy}.") from error
