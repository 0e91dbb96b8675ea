"""Files in buckets and on web servers, by local copies.

The place of an object (:mod:`vergence.data.buckets.addresses`) is an ordinary path: it has a name, a suffix and
neighbours. Whoever opens a file asks :func:`local` first, which fetches what is not there. So manifests, folders and
readers need to know nothing of stores, and paths of this machine cost a look at their text.

A copy is compared with its object (size and what its store says of its content) once in a command. Copies appear by
renaming, so processes share them; the oldest go where the mirror grows beyond :data:`LIMIT`.
"""

import contextlib
import errno
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vergence.data.buckets import remote_store
from vergence.data.buckets.addresses import (
    INSIDE,
    MIRROR,
    as_written,
    has_parameters,
    is_address,
    is_remote,
    named,
    place_address,
    place_of,
)
from vergence.data.buckets.remote_store import Facts, NoAnswer
from vergence.data.caching.cache_folder import drop_oldest, no_room
from vergence.data.environment import positive
from vergence.errors import InputError, in_bytes

LIMIT = "VERGENCE_REMOTE_GB"
"""Environment variable: gigabytes that copies may take, and as many results that were sent."""
DEFAULT_GIGABYTES = 50.0
_PARTS = ".parts"
_SAME_MOMENT = 60.0
"""Seconds for which a copy that was used stays, and for which inputs are one command's."""
_SWEPT_SHARE, _SWEPT_AFTER = 64, 600.0
_THREADS = 8
_LISTS = (".parquet", ".csv", ".json", ".txt")
_since = time.time()
"""Copies that were compared with their objects since then are taken as they are."""
_fetched = 0
_fetched_folders: dict[Path, float] = {}


def local(path: Path | str) -> Path:
    """The path, its file fetched where it is a place in the mirror and not there or no longer the same.

    Raises:
        InputError: absent or refused in its store, again and again cut off, too large, or no room for it.
    """
    if INSIDE not in os.fspath(path):
        return path if isinstance(path, Path) else Path(path)
    place = Path(os.path.normpath(path))
    if _checked(place):
        return place
    facts = remote_store.facts(place_address(place), named(place))
    if facts.folder:
        raise InputError(f"{named(place)} is a folder, expected a file; correct the manifest.")
    _brought(place, facts)
    return place


def state(path: Path) -> tuple[int, int] | None:
    """Size and mark of a place's object, for :func:`~vergence.data.digests.file_state`; None of other paths.

    Nothing is fetched: what was made of the object may be there where the copy is not.
    """
    if not is_remote(path):
        return None
    place = Path(os.path.normpath(path))
    if _checked(place):
        status = place.stat()
        return status.st_size, int(status.st_mtime)
    facts = remote_store.facts(place_address(place), named(place))
    if _is_copy(place, facts):
        _stamp(place, facts)
    return facts.size if facts.size is not None else -1, facts.mark


def names_beside(folder: Path) -> list[str]:
    """Names of the objects in a folder of the mirror, and files in one of this machine, in no order."""
    if not is_remote(folder):
        return [entry.name for entry in os.scandir(folder)]
    return list(remote_store.listing(place_address(folder), named(folder), deep=False))


def given(path: Path | str) -> Path:
    """What the user gave as input, as a path: of an address its place, with what is there.

    A file is fetched, and so are the files that may stand beside it and say what it is. A folder is fetched whole,
    unless it has a manifest: then only that.

    Raises:
        InputError: as of :func:`local`; nothing there, or a folder too large for the mirror.
    """
    global _since
    if not is_address(path):
        return path if isinstance(path, Path) else Path(path)
    if time.time() - _since > _SAME_MOMENT:
        _since = time.time()
    place = place_of(as_written(path))
    _make_room(place)
    if _fetched_folders.get(place, 0.0) >= _since:
        return place
    if remote_store.facts(place_address(place), named(place)).folder:
        if not any(_is_there(place / name) for name in ("manifest.parquet", "manifest.csv")):
            _fetch_folder(place)
        _fetched_folders[place] = time.time()
        return place
    if not has_parameters(place) and place.suffix.lower() not in _LISTS:  # a web server may answer to any name
        for beside in (place.with_suffix(".json"), place.with_name("intrinsics.json")):
            _is_there(beside)
    return local(place)


def forget() -> None:
    """Compare copies anew with their objects, some of which were just written."""
    global _since
    _since = time.time()
    _fetched_folders.clear()


def _is_there(place: Path) -> bool:
    """Whether there is such an object; it is fetched. InputError where its store gives no answer: that is no "no"."""
    try:
        local(place)
    except NoAnswer:
        raise
    except InputError:
        return False
    return True


def _fetch_folder(place: Path) -> None:
    """Make a folder of the mirror that of the store: all its files, and no others."""
    objects = remote_store.listing(place_address(place), named(place))
    if not objects:
        raise InputError(f"{named(place)} holds no objects; check the name.")
    size, most = sum(one.size or 0 for one in objects.values()), remote_limit()
    if size > most:
        raise InputError(
            f"{named(place)} holds {in_bytes(size)}, and copies may take {in_bytes(most)}; give a manifest, "
            f"whose files are fetched as they are needed, or set {LIMIT} to more."
        )
    copies = [Path(folder) / name for folder, _, names in os.walk(place) for name in names]
    for copy in copies:
        if copy.relative_to(place).as_posix() not in objects:
            copy.unlink(missing_ok=True)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch") as pool:
        waiting = [pool.submit(_brought, place / name, one) for name, one in objects.items() if _is_plain(name)]
        try:
            for one in waiting:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _is_plain(name: str) -> bool:
    return not any(step in ("", ".", "..") for step in name.split("/"))


def _brought(place: Path, facts: Facts) -> None:
    if _is_copy(place, facts):
        _stamp(place, facts)
    else:
        _fetch(place, facts)


def _checked(place: Path) -> bool:
    """Whether the copy is there and was compared with its object in this command."""
    try:
        status = place.stat()
    except OSError:
        return False
    if status.st_atime < _since:
        return False
    if status.st_atime < time.time() - _SAME_MOMENT / 3:  # in use: it is not the oldest
        with contextlib.suppress(OSError):
            os.utime(place, ns=(time.time_ns(), status.st_mtime_ns))
    return True


def _is_copy(place: Path, facts: Facts) -> bool:
    """Whether the copy is that of the object: its time of change holds the mark."""
    try:
        status = place.stat()
    except OSError:
        return False
    return facts.mark != 0 and status.st_mtime_ns == facts.mark * 10**9 and facts.size in (None, status.st_size)


def _stamp(path: Path, facts: Facts) -> None:
    with contextlib.suppress(OSError):  # swept meanwhile: it is fetched again
        os.utime(path, ns=(time.time_ns(), facts.mark * 10**9))


def _fetch(place: Path, facts: Facts) -> None:
    global _fetched
    root = _root(place)
    for emptied in (False, True):
        part = None
        try:
            parts = root / _PARTS
            parts.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(suffix=place.suffix[:20], dir=parts)
            os.close(descriptor)
            part = Path(name)
            facts = remote_store.fetch(place_address(place), named(place), part, remote_limit(), facts)
            _stamp(part, facts)
            _fetched += part.stat().st_size
            os.replace(part, place)
            break
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if emptied or not full or not _sweep(root, None):
                raise no_room(named(place), error, root) from None
        finally:
            if part is not None:
                part.unlink(missing_ok=True)
    if _fetched > remote_limit() // _SWEPT_SHARE:
        _fetched = 0
        _sweep(root, remote_limit())


def _root(place: Path) -> Path:
    return Path(str(place).partition(INSIDE)[0]) / MIRROR


def remote_limit() -> int:
    """Bytes that copies may take, and as many results; InputError where the variable is no number above 0."""
    return round(positive(LIMIT, DEFAULT_GIGABYTES, 1e9, "give gigabytes greater than 0, such as 50.") * 1e9)


def _make_room(place: Path) -> None:
    """Sweep once in a while: commands that each fetch little would never do it."""
    root = _root(place)
    stamp = root / ".swept"
    if root.is_dir() and (not stamp.exists() or stamp.stat().st_mtime < time.time() - _SWEPT_AFTER):
        _sweep(root, remote_limit())
        with contextlib.suppress(OSError):
            stamp.touch()


def _sweep(root: Path, most: int | None) -> bool:
    """Remove the copies that were not used for longest until 9 / 10 of ``most`` bytes are left, None: of half of them.

    Returns whether any went.
    """
    copies = []
    for folder, _, names in os.walk(root):
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                copies.append((status.st_atime, status.st_size, path))
    total = sum(size for _, size, _ in copies)
    most = total // 2 if most is None else most
    return total > most and drop_oldest(copies, 0.9 * most, _removed, _SAME_MOMENT) < total


def _removed(path: str) -> bool:
    """Remove a copy, unless it was used since it was listed."""
    with contextlib.suppress(OSError):
        if os.stat(path).st_atime < time.time() - _SAME_MOMENT:
            os.unlink(path)
            return True
    return False
