"""Digests of files and texts, and states of files that are cheap to look at."""

import hashlib
from pathlib import Path

from vergence.data.buckets.remote import local, state
from vergence.errors import InputError


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
