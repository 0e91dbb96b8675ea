"""Digests of files and texts, and states of files that are cheap to look at."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vergence.data.buckets.addresses import is_remote
from vergence.data.buckets.remote import local, state
from vergence.data.buckets.remote_store import Absent
from vergence.errors import InputError

_THREADS, _AT_ONCE = 8, 4096
"""Files that are looked at at a time."""


def text_digest(text: str) -> str:
    """A name that stands for a text."""
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def file_digest(path: Path | str) -> str:
    """Digest of a file's content; InputError where it cannot be read."""
    path, digest = local(path), hashlib.blake2b(digest_size=16)
    if Path(path).exists() and not Path(path).is_file():  # a pipe or a device has no end
        raise InputError(f"{path} is no regular file; correct the manifest or put the file there.")
    try:
        with Path(path).open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; correct the manifest or put the file there.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); correct the manifest or the file.") from error
    return digest.hexdigest()


def file_state(path: Path) -> str:
    """A text that changes with a file's place, size, and time of change; InputError if it is missing.

    The time at which the file system saw the last change (ctime) is in it: copying and unpacking set the other time
    back to what it was, so a new file of the same size would pass for the old one.
    """
    if (remote := state(path)) is not None:
        return f"{path}|{remote[0]}|{remote[1]}"
    try:
        status = path.stat()
    except OSError:
        raise InputError(f"{path} does not exist; correct the manifest or put the file there.") from None
    return f"{path}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def files_seen(files: Iterable[Path]) -> dict[str, str]:
    """What files are like before they are read, for :func:`are_as_seen`; InputError where a store does not say it.

    Missing files have a state, too: that they are missing.
    """
    paths = list(files)
    return {"states": _digest_of(_state, paths), "contents": _digest_of(_content, paths)}


def are_as_seen(files: Iterable[Path], seen: Mapping[str, str]) -> bool:
    """Whether files are what :func:`files_seen` saw, here or on another machine; they are read where states differ.

    States of copies differ, and so does that of a file that was touched.
    """
    paths = list(files)
    if seen["states"] == _digest_of(_state, paths):
        return True
    return seen["contents"] == _digest_of(_content, paths)


def _digest_of(say: Callable[[Path], str], paths: list[Path]) -> str:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="look") as pool:  # stores let each wait
        pieces = (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))
        return text_digest("\n".join(said for piece in pieces for said in pool.map(say, piece)))


def _state(path: Path) -> str:
    """The state without the place, which is another one on other machines; "" where nothing is there."""
    try:
        if (remote := state(path)) is not None:
            return str(remote[1])  # its mark alone: not every store tells a size
    except Absent:
        return ""
    return file_state(path).removeprefix(f"{path}|") if os.path.exists(path) else ""


def _content(path: Path) -> str:
    """Digest of the content, or of an object its state, which needs no fetching; "" of what cannot be read."""
    if is_remote(path):
        return _state(path)
    try:
        return file_digest(path)
    except (InputError, OSError):
        return ""
