"""Bytes of a file within a limit, and their text by its byte order mark."""

import codecs
import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vergence.data.buckets.remote import local
from vergence.errors import InputError, reason

MB = 1 << 20
LIMITS = {
    "yaml": 1 * MB,
    "xml": 4 * MB,
    "calibration": 1 * MB,
    "json": 64 * MB,
    "annotations": 1024 * MB,
    "list": 64 * MB,
    "log": 1024 * MB,
    "table": 1024 * MB,
    "matlab": 512 * MB,
    "arrays": 4096 * MB,
}
"""Largest size of a file in bytes, by what it is: parsing costs up to thirty times that in memory."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path | str, kind: str, remedy: str) -> bytes:
    """Content of a regular file that is no larger than its kind may be (``LIMITS``).

    Raises:
        InputError: missing, a folder, pipe or device, not readable, or too large; it ends in ``remedy``.
    """
    with _opened(path, remedy) as file:
        content = file.read(LIMITS[kind] + 1)
    if len(content) > LIMITS[kind]:
        raise InputError(f"{path} is larger than {LIMITS[kind] // MB} MB, which no such file should be; {remedy}.")
    return content


def iter_lines(path: Path | str, kind: str, remedy: str) -> Iterator[bytes]:
    """Lines of a regular file, with their ends, each no longer than a file of its kind may be; the file may be.

    InputError as of :func:`read_bytes`.
    """
    with _opened(path, remedy) as file:
        while line := file.readline(LIMITS[kind] + 1):
            if len(line) > LIMITS[kind]:
                raise InputError(f"{path} has a line of more than {LIMITS[kind] // MB} MB; {remedy}.")
            yield line


@contextlib.contextmanager
def _opened(path: Path | str, remedy: str) -> Iterator[BinaryIO]:
    """A regular file to be read, meanwhile too with the errors of :func:`read_bytes`."""
    try:
        # a pipe that nobody writes to must not hold us up
        with open(
            os.open(local(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
        ) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                kind_found = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
                raise InputError(f"{path} is {kind_found}, expected a file; {remedy}.")
            with contextlib.suppress(OSError, AttributeError):
                os.set_blocking(file.fileno(), True)
            yield file
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {remedy}.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        fault = "is a folder, expected a file" if os.path.isdir(path) else f"cannot be read ({reason(error)})"
        raise InputError(f"{path} {fault}; {remedy}.") from error


def read_text(path: Path | str, kind: str = "list", remedy: str = "correct it") -> str:
    """Text of a file; InputError as of :func:`read_bytes` and :func:`decoded`."""
    return decoded(read_bytes(path, kind, remedy), path, remedy)


def decoded(content: bytes, origin: Path | str, remedy: str = "correct it") -> str:
    """Text by its byte order mark, without one UTF-8; InputError where it is neither, or has zero bytes."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{origin} is no text in {encoding.removesuffix('-sig').upper()} (byte {error.start}, line "
            f"{content.count(bytes([10]), 0, error.start) + 1}); save it as UTF-8, or {remedy}."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{origin} has a zero byte in line {line}, so it is no text; save it as UTF-8, or {remedy}.")
    return text
