"""Where things are kept that can be made or fetched again, and how much of the disk decoded frames may take."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from vergence.data.environment import positive
from vergence.errors import InputError

T = TypeVar("T")
LIMIT = "VERGENCE_CACHE_GB"
"""Environment variable: gigabytes that decoded frames may take."""
SHARD = ".shard"
"""How files of decoded frames end."""
_SHARE = 0.5
_IN_USE = 600.0
"""Seconds for which files that were used stay: a training that does not fit would otherwise chase its own frames."""


def default_cache_folder() -> Path:
    """``$VERGENCE_CACHE``, else ``vergence/frames`` in the user's cache folder."""
    if folder := os.environ.get("VERGENCE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vergence" / "frames"


def no_room(shown: str, error: OSError, folder: Path | None = None) -> InputError:
    """What to say where a copy of something that is called ``shown`` cannot be written into the cache."""
    cache = "the local cache" if folder is None else f"the local cache {folder}"
    return InputError(
        f"{cache} cannot take {shown} ({error.strerror or error}); free some space, or name another folder in "
        "VERGENCE_CACHE."
    )


def cache_limit(folder: Path) -> int:
    """Bytes that the shards of a folder may take: :data:`LIMIT`, else half of what would be free without them.

    Raises:
        InputError: the variable is no number above 0.
    """
    return _limit(folder, sum(size for _, size, _ in _shards(folder)))


def make_room(folder: Path, wanted: int, full: bool = False) -> bool:
    """Remove the shards that were not used for longest until so many bytes more may be taken.

    Args:
        full: the disk is full, whatever the limit says.

    Returns:
        Whether there is room: not where what is left is in use.
    """
    shards = _shards(folder)
    total = sum(size for _, size, _ in shards)
    limit = total if full else _limit(folder, total)
    return drop_oldest(shards, limit - wanted, _removed) <= limit - wanted


def drop_oldest(
    entries: Iterable[tuple[float, int, T]], most: float, drop: Callable[[T], bool], spared: float = _IN_USE
) -> int:
    """Drop what was not used for longest until ``most`` bytes are left.

    Args:
        entries: when each was used last, its bytes, and what ``drop`` is given, which says whether it is gone.
        spared: what was used in so many last seconds stays.

    Returns:
        Bytes that are left.
    """
    listed = sorted(entries, key=lambda one: one[0])
    total = sum(size for _, size, _ in listed)
    for used, size, one in listed:
        if total <= most or used > time.time() - spared:
            break
        if drop(one):
            total -= size
    return total


def _removed(path: str) -> bool:
    with contextlib.suppress(OSError):
        os.unlink(path)
        return True
    return False


def _limit(folder: Path, taken: int) -> int:
    fair = _SHARE * (shutil.disk_usage(folder).free + taken)
    return round(1e9 * positive(LIMIT, fair / 1e9, 1e9, "give gigabytes greater than 0, such as 100."))


def _shards(folder: Path) -> list[tuple[float, int, str]]:
    """When each shard was used last, its bytes, its path."""
    shards = []
    for entry in os.scandir(folder):
        if entry.name.endswith(SHARD):
            with contextlib.suppress(OSError):
                status = entry.stat()
                shards.append((status.st_mtime, status.st_size, entry.path))
    return shards
