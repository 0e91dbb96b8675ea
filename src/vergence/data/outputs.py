"""One rule for all verbs: what is written is never what is read."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vergence.data.buckets.addresses import named
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PATH_COLUMNS
from vergence.errors import InputError


def keep_inputs(outputs: Iterable[Path | str | None], *inputs: Manifest | Path | str | None) -> None:
    """To be called before anything is written.

    Args:
        outputs: files to be written, whether they are there or not.
        inputs: files, folders (all files in them), and manifests (the files they were read from, and those they name).

    Raises:
        InputError: an output is one of the inputs: the same file, by whatever links and spellings.
    """
    there = {_identity(path): Path(path) for path in outputs if path is not None}
    there.pop(None, None)
    if not there:
        return
    for path in _files(inputs):
        if written := there.get(_identity(path)):
            same = "" if named(written.absolute()) == named(path.absolute()) else f" (it is the same file as {path})"
            raise InputError(f"{written} is read{same} and would be overwritten; give another place for it.")


def _identity(path: Path | str) -> tuple[int, int] | str | None:
    """What all names of a file share; None where there is no file."""
    if (address := named(path)) != os.fspath(path):
        return address
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def _files(inputs: Iterable[Manifest | Path | str | None]) -> Iterator[Path]:
    for given in inputs:
        if isinstance(given, Manifest):
            yield from given.read_from
            for row in given.rows:
                yield from (given.root / path for column in PATH_COLUMNS if (path := getattr(row, column)))
        elif given is not None and Path(given).is_dir():
            yield from (Path(folder) / name for folder, _, names in os.walk(given) for name in names)
        elif given is not None:
            yield Path(given)
