"""Decode once: frames at training size on disk, so that a slow machine is not starved by JPEG and Lanczos."""

import hashlib
import shutil
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.data.cache_folder import default_cache_folder
from vergence.data.deep_pictures import decoding
from vergence.data.digests import file_state
from vergence.errors import InputError

__all__ = ["FrameCache", "default_cache_folder"]

_MAGIC = b"VGF2"
_HEADER = struct.Struct("<4sIII")  # magic, stored width and height, CRC-32 of the pixels and these two


class FrameCache:
    """Decoded frames, one flat file each: 16 bytes of header, then (3, H, W) uint8.

    An entry's name is a hash of the picture's path, size and time of change and of how it was resized, so a changed
    picture or another size is another entry. Entries appear by renaming: any number of workers, processes and runs may
    share a folder. An entry that is broken, by its checksum too, counts as absent. Delete the folder at any time.

    Raises:
        InputError: the folder cannot be made or written, or is too small for what is announced.
    """

    def __init__(self, folder: Path | str, height: int, width: int) -> None:
        self.folder, self.height, self.width = Path(folder).absolute(), height, width
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the frame cache {self.folder} cannot be made ({error.strerror}); {_REMEDY}") from error

    @property
    def frame_bytes(self) -> int:
        return _HEADER.size + 3 * self.height * self.width

    def key(self, path: Path, resizing: str) -> Path:
        """File of the entry of one picture; InputError where it is missing."""
        text = f"{file_state(path)}|{self.width}x{self.height}|{resizing}|{decoding(path)}"
        name = hashlib.sha1(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.frame"

    def load(self, entry: Path, out: NDArray[np.uint8]) -> tuple[int, int] | None:
        """Read an entry into ``out`` (3, H, W); returns the picture's stored (H, W), or None where there is none."""
        try:
            with entry.open("rb", buffering=0) as file:
                magic, width, height, checksum = _HEADER.unpack(file.read(_HEADER.size))
                if magic != _MAGIC or file.readinto(out.data.cast("B")) != out.nbytes or file.read(1):
                    return None
                return (int(height), int(width)) if checksum == _checksum(out.data, width, height) else None
        except (OSError, struct.error):
            return None

    def store(self, entry: Path, frame: NDArray[np.uint8], stored_size: tuple[int, int]) -> None:
        """Write an entry, frame (3, H, W), atomically."""
        try:
            with writing(entry) as temporary, temporary.open("wb") as file:
                pixels, (height, width) = np.ascontiguousarray(frame).data, stored_size
                file.write(_HEADER.pack(_MAGIC, width, height, _checksum(pixels, width, height)))
                file.write(pixels)
        except InputError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise InputError(f"the frame cache {self.folder} cannot be written ({reason}); {_REMEDY}") from error

    def check_space(self, entries: Iterable[Path], count: int) -> None:
        """InputError where the entries would not fit; ``count``, a bound, saves looking where there is plenty."""
        free = shutil.disk_usage(self.folder).free
        if count * self.frame_bytes < free:
            return
        missing = sum(not entry.exists() for entry in entries) * self.frame_bytes
        if missing >= free:
            sizes = f"needs {missing / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
            raise InputError(f"the frame cache {self.folder} {sizes}; {_REMEDY}")


def _checksum(pixels: memoryview, width: int, height: int) -> int:
    return zlib.crc32(pixels, zlib.crc32(struct.pack("<II", width, height)))


_REMEDY = "free some space, name another folder in VERGENCE_CACHE, or turn the cache off with --frames.cache false."
