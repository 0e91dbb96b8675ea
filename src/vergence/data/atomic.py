"""Output files that are whole or absent: written beside their place and moved there in one step; logs of lines."""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from vergence.errors import InputError


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[Path]:
    """Give a temporary path with the suffix of ``path``; on success it is renamed to ``path``, on failure removed.

    Raises:
        InputError: the folder cannot be written (read-only, full, a file in the way).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path} cannot be written: {error.object[:200]!r} is no text in UTF-8; rename the file or folder that is "
            "called so."
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} cannot be written ({reason}); free some space or give an output folder that can be written."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> Path:
    """Write UTF-8 text atomically; InputError as in :func:`writing`."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def check_place(path: Path | str, suffixes: Sequence[str] = (), option: str = "--out") -> None:
    """To be called before the work whose result goes there: a place that will not do is told then, not afterwards.

    Raises:
        InputError: the name has none of these suffixes, is that of a folder, or its folder cannot be written.
    """
    path, ends = Path(path), " or ".join(suffixes)
    file = f"a file that ends in {ends}" if suffixes else "a file"
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"{path} must end in {ends}; give {option} such a file.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give {option} {file}.")
    if not is_writable(path.parent):
        raise InputError(f"{path} cannot be written; give {option} a file in a folder that can be.")


def check_folder_place(folder: Path) -> None:
    """The same of a folder: InputError where files cannot be made in it, or where it is a file."""
    if not is_writable(folder):
        raise InputError(f"{folder} cannot be written; give a folder that can be as --out.")


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which may not be there yet."""
    there = next(one for one in (folder, *folder.absolute().parents) if os.path.exists(one))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@contextlib.contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """Open a file to add lines to it; a last line that a killed write left torn ends first, or it would take one along.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        with io.TextIOWrapper(file, encoding="utf-8") as lines:
            yield lines
