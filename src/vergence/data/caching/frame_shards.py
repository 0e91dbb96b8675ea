"""Files that pack decoded frames of one size: a table of names, then slots of one length each.

A slot is written before its name in the table, by one process at a time (it holds the file's lock); any number read
meanwhile. So a writer that is killed loses the frame it was at, and the table is all there is to know of a file.
"""

import contextlib
import os
import struct
import weakref
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    import fcntl
except ImportError:  # no such locks on Windows: every process begins files of its own
    fcntl = None  # type: ignore[assignment]

NAME_BYTES = 16
_MAGIC = b"VGS1"
_HEAD = struct.Struct("<4sIII")  # magic, slots, height, width
_ENTRY = struct.Struct(f"<{NAME_BYTES}sIII")  # name, stored height and width, CRC-32 of these two and the pixels
_WORD = 8
_TARGET, _MOST_SLOTS = 256 * 2**20, 1024


class Form(NamedTuple):
    """Size of the frames of a shard."""

    height: int
    width: int

    @property
    def frame_bytes(self) -> int:
        """What a frame takes."""
        return _ENTRY.size + 3 * self.height * self.width

    def slots(self, limit: int) -> int:
        """Frames of a new shard, where all shards may take ``limit`` bytes."""
        return max(1, min(_MOST_SLOTS, min(_TARGET, limit // 64) // self.frame_bytes))

    def offset(self, slots: int, slot: int) -> int:
        """Where a slot begins; slot ``slots`` is the end of the file."""
        return _HEAD.size + _WORD * slots + slot * self.frame_bytes


def word(name: bytes) -> int:
    """What the table has of a frame's name: a number of 64 bits, never 0."""
    return int.from_bytes(name[:_WORD], "little") or 1


def read_table(path: Path, form: Form) -> NDArray[np.uint64] | None:
    """A shard's table, 0 where a slot is empty; None where the file is none, or none of this form."""
    try:
        with path.open("rb", buffering=0) as file:
            slots = _slots(file.read(_HEAD.size), form)
            if slots is None or os.fstat(file.fileno()).st_size < form.offset(slots, slots):
                return None
            return np.frombuffer(file.read(_WORD * slots), "<u8")
    except (OSError, ValueError):
        return None


def _slots(head: bytes, form: Form) -> int | None:
    if len(head) != _HEAD.size:
        return None
    magic, slots, *size = _HEAD.unpack(head)
    return slots if magic == _MAGIC and 0 < slots <= _MOST_SLOTS and tuple(size) == form else None


def read_frame(
    path: Path, form: Form, slots: int, slot: int, name: bytes, out: NDArray[np.uint8]
) -> tuple[int, int] | None:
    """Read a frame into ``out`` (3, H, W); returns the picture's stored (H, W), None where it is not there or damaged.

    A damaged frame is taken out of the table.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(form.offset(slots, slot))
            head = file.read(_ENTRY.size)
            if len(head) == _ENTRY.size:
                stored, height, width, checksum = _ENTRY.unpack(head)
                whole = file.readinto(out.data.cast("B")) == out.nbytes
                if stored == name and whole and checksum == _checksum(out.data, height, width):
                    return int(height), int(width)
    except OSError:
        return None
    _forget(path, slot, word(name))
    return None


def _forget(path: Path, slot: int, stored: int) -> None:
    """Empty a slot, unless it holds something else by now."""
    with contextlib.suppress(OSError), path.open("r+b", buffering=0) as file:
        file.seek(_HEAD.size + _WORD * slot)
        if file.read(_WORD) == stored.to_bytes(_WORD, "little"):
            file.seek(_HEAD.size + _WORD * slot)
            file.write(bytes(_WORD))


class ShardWriter:
    """A shard that this process writes, and no other.

    Args:
        path: its file; made, with ``slots``, where these are given.

    Raises:
        OSError: the file cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, form: Form, slots: int = 0) -> None:
        self.path, self.form, self.process = path, form, os.getpid()
        self._file = path.open("x+b" if slots else "r+b", buffering=0)
        weakref.finalize(self, self._file.close)
        try:
            self._lock(alone=slots > 0)
            if slots:
                self._file.truncate(form.offset(slots, slots))  # a hole: it takes no room yet
                self._file.write(_HEAD.pack(_MAGIC, slots, *form))
            table = read_table(path, form)
        except BaseException:
            self.close()
            raise
        self.slots = 0 if table is None else len(table)
        self._empty = [] if table is None else np.flatnonzero(table == 0).tolist()[::-1]

    def _lock(self, alone: bool) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            elif not alone:
                raise BlockingIOError
        except BlockingIOError:
            raise
        except OSError:  # a disk without locks: as on Windows
            if not alone:
                raise

    @property
    def usable(self) -> bool:
        """Whether there is an empty slot, and the file was not removed by another process."""
        return bool(self._empty) and self.process == os.getpid() and os.fstat(self._file.fileno()).st_nlink > 0

    def write(self, name: bytes, frame: NDArray[np.uint8], stored_size: tuple[int, int]) -> int:
        """Write a frame (3, H, W) with the picture's stored (H, W) into an empty slot; returns which."""
        slot, pixels = self._empty[-1], np.ascontiguousarray(frame).data.cast("B")
        head = _ENTRY.pack(name, *stored_size, _checksum(pixels, *stored_size))
        self._put(self.form.offset(self.slots, slot), head, pixels)
        self._put(_HEAD.size + _WORD * slot, word(name).to_bytes(_WORD, "little"))
        return self._empty.pop()

    def _put(self, offset: int, *pieces: bytes | memoryview) -> None:
        self._file.seek(offset)
        for piece in pieces:
            done = 0
            while done < len(piece):  # a disk that is filling up takes a part, then says so
                done += self._file.write(piece[done:])

    def close(self) -> None:
        """Leave the file to others."""
        self._file.close()


def _checksum(pixels: memoryview, height: int, width: int) -> int:
    return zlib.crc32(pixels, zlib.crc32(struct.pack("<II", height, width)))
