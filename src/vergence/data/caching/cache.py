"""Decode once: frames at training size on disk, so that a slow machine is not starved by JPEG and Lanczos."""

import contextlib
import errno
import hashlib
import logging
import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.caching.cache_folder import LIMIT, SHARD, cache_limit, default_cache_folder, make_room
from vergence.data.caching.frame_shards import NAME_BYTES, Form, ShardWriter, read_frame
from vergence.data.caching.shard_index import Found, ShardIndex
from vergence.data.digests import file_state
from vergence.data.imaging.deep_pictures import decoding
from vergence.errors import InputError

__all__ = ["FrameCache", "default_cache_folder"]

_PAUSE = 60.0
"""Seconds after which a cache that was full is tried again."""
_OLD_FOLDER, _OLD_FILE = re.compile("[0-9a-f]{2}"), re.compile(r"[0-9a-f]{38}\.frame")
_log = logging.getLogger("vergence")


class FrameCache:
    """Decoded frames (3, H, W) uint8 by name, many in a file (:mod:`vergence.data.caching.frame_shards`).

    A name is a hash of the picture's path, size and time of change and of how it was resized, so a changed picture or
    another size is another frame. Any number of workers, processes and runs may share a folder. A frame that is broken
    counts as absent. Files that were not used for longest go where the folder grows beyond its limit
    (:func:`~vergence.data.caching.cache_folder.cache_limit`); where all are in use, or the disk is full, further frames
    are not kept, and the log says so. Delete the folder at any time.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, folder: Path | str, height: int, width: int) -> None:
        self.folder, self.height, self.width = Path(folder).absolute(), height, width
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the frame cache {self.folder} cannot be made ({error.strerror}); {_REMEDY}") from error
        self._form = Form(height, width)
        self._index = ShardIndex(self.folder, self._form)
        self._index.look()
        self._writer: ShardWriter | None = None
        self._shut_until, self._told = 0.0, False
        _remove_old(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_writer": None}

    def name(self, path: Path, resizing: str) -> bytes:
        """What a picture's frame is called; InputError where the picture is missing."""
        text = f"{file_state(path)}|{self.width}x{self.height}|{resizing}|{decoding(path)}"
        return hashlib.sha1(text.encode(errors="surrogateescape"), usedforsecurity=False).digest()[:NAME_BYTES]

    def load(self, name: bytes, out: NDArray[np.uint8]) -> tuple[int, int] | None:
        """Read a frame into ``out`` (3, H, W); returns the picture's stored (H, W), or None where there is none."""
        for _ in range(2):
            if (stored := self._index.find(name)) is not None:
                stored_size = read_frame(stored.path, self._form, stored.slots, stored.slot, name, out)
                if stored_size is not None:
                    self._index.used(stored.path)
                    return stored_size
                self._index.drop(name)
            if not self._index.look():
                break
        return None

    def store(self, name: bytes, frame: NDArray[np.uint8], stored_size: tuple[int, int]) -> None:
        """Keep a frame (3, H, W), if there is room."""
        if time.monotonic() < self._shut_until:
            return
        try:
            writer = self._writing()
            if writer is not None:
                slot = writer.write(name, frame, stored_size)
                self._index.add(name, Found(writer.path, writer.slots, slot))
                return
            reason = f"all of the {cache_limit(self.folder) / 1e9:.3g} GB that it may take are in use"
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT) and make_room(
                self.folder, self._form.frame_bytes, full=True
            ):
                return
        self._shut_until = time.monotonic() + _PAUSE
        if not self._told:
            self._told = True
            message = "the frame cache %s keeps no more frames (%s), which are decoded each time they are needed; %s"
            _log.warning(message, self.folder, reason, _REMEDY)

    def _writing(self) -> ShardWriter | None:
        """A shard with an empty slot; None where there is no room for another one."""
        if self._writer is not None:
            if self._writer.usable:
                return self._writer
            self._writer.close()  # of a parent process, full, or removed
            self._writer = None
        self._index.look()
        for path in self._index.with_room():
            with contextlib.suppress(OSError):  # another process writes it
                writer = ShardWriter(path, self._form)
                if writer.usable:
                    self._writer = writer
                    return writer
                writer.close()
        slots = self._form.slots(cache_limit(self.folder))
        if make_room(self.folder, self._form.offset(slots, slots)):
            path = self.folder / f"{self._index.prefix}{os.getpid():x}{secrets.token_hex(4)}{SHARD}"
            self._writer = ShardWriter(path, self._form, slots)
        return self._writer

    def expect(self, frames: int) -> None:
        """Say in the log where so many frames will not fit."""
        needed, limit = frames * self._form.frame_bytes, cache_limit(self.folder)
        if needed > limit:
            sizes = f"may take {limit / 1e9:.3g} GB, and {frames} frames take up to {needed / 1e9:.3g} GB"
            _log.warning("the frame cache %s %s; the others are decoded each time; %s", self.folder, sizes, _REMEDY)


def _remove_old(folder: Path) -> None:
    """Remove what earlier versions have left: a file for each frame."""
    removed = 0
    for old in os.scandir(folder):
        if _OLD_FOLDER.fullmatch(old.name) and old.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError):
                for file in os.scandir(old.path):
                    if _OLD_FILE.fullmatch(file.name):
                        os.unlink(file.path)
                        removed += 1
                os.rmdir(old.path)
    if removed:
        message = "%d frames that an earlier version kept in %s, a file each, are removed: they are decoded again"
        _log.info(message, removed, folder)


_REMEDY = (
    f"free some space, set {LIMIT} to more, name another folder in VERGENCE_CACHE, or turn the cache off with "
    "--frames.cache false."
)
