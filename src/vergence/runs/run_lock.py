"""One process trains in a run folder at a time; what a killed one left there is removed."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from vergence.errors import InputError

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
PARTIAL = ".partial-"
_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp(\..*)?")
_held: set[int] = set()


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which is made if it is not there; the system frees it with the process.

    Raises:
        InputError: another process holds it, or the folder cannot be written.
    """
    descriptor = _take(run)
    _held.add(descriptor)
    try:
        yield
    finally:
        _held.discard(descriptor)
        with contextlib.suppress(OSError):
            (run / LOCK).unlink()
        os.close(descriptor)


def _take(run: Path) -> int:
    path = run / LOCK
    while True:
        try:
            run.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"{run} cannot be written ({error.strerror}); give a folder that can be.") from error
        if fcntl is None:
            return descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise InputError(
                f"{run} is being trained by another process{f' ({holder})' if holder.isdecimal() else ''}; wait until "
                "it ends, or give another --out."
            ) from error
        except OSError:  # a disk without locks
            return descriptor
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:  # else its holder has just removed it
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
        os.close(descriptor)


def _close_in_child() -> None:
    """A loading process that outlives its killed parent must not keep the lock."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def is_leftover(path: Path) -> bool:
    """Whether a file or folder is what a dead process left while writing: nobody's result."""
    if path.name == LOCK or path.name.startswith(PARTIAL):
        return True
    match = _TEMPORARY.fullmatch(path.name)
    return match is not None and not _alive(int(match[1]))


def clean_leftovers(*folders: Path) -> None:
    """Remove what killed processes left in folders of a run; call it with the lock held and nothing being written."""
    for folder in folders:
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.name == LOCK or not is_leftover(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    """Whether another process has this number; one in a container often has the number of the one before it."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
