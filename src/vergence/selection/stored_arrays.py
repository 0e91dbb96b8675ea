"""Arrays on disk that several processes fill together."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.structured import map_array
from vergence.errors import InputError

REMEDY = "remove that folder and select again"


def shared_array(path: Path, form: str, shape: tuple[int, ...]) -> NDArray:
    """A memory map that can be written; of zeros where the file is not there yet.

    Raises:
        InputError: it cannot be written, or the file is damaged.
    """
    _make(path, form, shape)
    return map_array(path, "r+", shape, form, REMEDY)


def _make(path: Path, form: str, shape: tuple[int, ...]) -> None:
    """An array of zeros, unless another process has made it."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    try:
        np.lib.format.open_memmap(temporary, mode="w+", dtype=np.dtype(form), shape=shape).flush()
        os.link(temporary, path)  # fails, unlike a renaming, where the file is there
    except FileExistsError:
        pass
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); give another --out.") from error
    finally:
        temporary.unlink(missing_ok=True)
