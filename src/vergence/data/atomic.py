"""Output files that are whole or absent: written beside their place and moved there in one step; logs of lines."""

import contextlib
import io
import os
from collections.abc import Iterator
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
