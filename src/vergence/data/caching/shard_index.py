"""Where frames lie in the shards of a folder: 24 bytes a frame, made of the shards' own tables."""

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vergence.data.caching.cache_folder import SHARD
from vergence.data.caching.frame_shards import Form, read_table, word

_PAUSE, _SHARE = 1.0, 50.0
"""Seconds between two looks at the folder, and how many times the time that a look takes."""
_TOUCHED_EVERY = 60.0
_SLOT_BITS = 20


class Found(NamedTuple):
    """Where a frame lies."""

    path: Path
    slots: int
    slot: int


class ShardIndex:
    """Frames of one size in a folder that other processes fill, too; what they add is seen a moment later."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder, self.form = folder, form
        self.prefix = f"{form.width}x{form.height}-"
        self._tables: dict[str, tuple[int, NDArray[np.uint64]]] = {}
        """Time of change and table of each shard."""
        self._shards: list[tuple[Path, int]] = []
        """File and slots of each shard."""
        self._words = np.empty(0, np.uint64)
        self._places = np.empty(0, np.int64)
        self._own: dict[bytes, Found] = {}
        self._next_look = 0.0
        self._touched: dict[Path, float] = {}

    def find(self, name: bytes) -> Found | None:
        """Where a frame lies, as far as was seen."""
        if name in self._own:
            return self._own[name]
        wanted = np.uint64(word(name))
        at = int(self._words.searchsorted(wanted))
        if at == len(self._words) or self._words[at] != wanted:
            return None
        shard, slot = divmod(int(self._places[at]), 1 << _SLOT_BITS)
        return Found(*self._shards[shard], slot)

    def add(self, name: bytes, entry: Found) -> None:
        """A frame that this process has written."""
        self._own[name] = entry

    def drop(self, name: bytes) -> None:
        """A frame is not where it was said to be: the next look tells."""
        self._own.pop(name, None)

    def used(self, path: Path) -> None:
        """Note now and then that a file is in use, by its time of change: that of reading is not kept everywhere."""
        now = time.monotonic()
        if now > self._touched.get(path, -_TOUCHED_EVERY) + _TOUCHED_EVERY:
            self._touched[path] = now
            with contextlib.suppress(OSError):
                os.utime(path)

    def with_room(self) -> list[Path]:
        """Shards that have an empty slot."""
        return [self.folder / name for name, (_, table) in self._tables.items() if not table.all()]

    def look(self) -> bool:
        """See what shards there are now, unless that was done a moment ago; returns whether something changed."""
        start = time.monotonic()
        if start < self._next_look:
            return False
        before, self._tables = self._tables, {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                if entry.name.startswith(self.prefix) and entry.name.endswith(SHARD):
                    self._see(entry, before.get(entry.name))
        changed = before.keys() != self._tables.keys() or any(
            table is not before[name][1] for name, (_, table) in self._tables.items()
        )
        if changed:
            self._sort()
        end = time.monotonic()
        self._next_look = end + max(_PAUSE, _SHARE * (end - start))
        return changed

    def _see(self, entry: "os.DirEntry[str]", known: tuple[int, NDArray[np.uint64]] | None) -> None:
        with contextlib.suppress(OSError):
            mark = entry.stat().st_mtime_ns
            table = known[1] if known and known[0] == mark else read_table(Path(entry.path), self.form)
            if table is not None:  # a file that was only used, or written by this process, is no news
                same = known is not None and np.array_equal(known[1], table)
                self._tables[entry.name] = (mark, known[1] if known is not None and same else table)

    def _sort(self) -> None:
        self._shards = [(self.folder / name, len(table)) for name, (_, table) in self._tables.items()]
        words, places = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for number, (_, table) in enumerate(self._tables.values()):
            slots = np.flatnonzero(table)
            words.append(table[slots])
            places.append((number << _SLOT_BITS) + slots)
        joined = np.concatenate(words)
        order = np.argsort(joined, kind="stable")
        self._words, self._places = joined[order], np.concatenate(places)[order]
        self._own.clear()
