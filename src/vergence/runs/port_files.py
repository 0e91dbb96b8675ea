"""What the depth port and the label port share: where they keep files, and how files of a folder find their images."""

import hashlib
import os
from pathlib import Path

from vergence.data.caching.cache import default_cache_folder
from vergence.data.digests import file_state
from vergence.data.imaging.deep_pictures import range_mark


def port_cache(kind: str) -> Path:
    """The folder in which ports keep what they made, beside that of decoded frames."""
    return default_cache_folder().parent / kind


def digest(text: str) -> str:
    """A file name that stands for a text."""
    return hashlib.sha1(text.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()


def entry(path: Path) -> str:
    """Name of what was made of one file: another file, or a changed one, has another; InputError if it is missing."""
    return digest(file_state(path) + range_mark(path))


class NamedFiles:
    """Files below a folder, found by the path of an image that they are named as.

    Args:
        folder: where to look, with all folders below it.
        suffixes: of the files that count.
    """

    def __init__(self, folder: Path, suffixes: tuple[str, ...]) -> None:
        self.folder = folder
        files = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
        self.files = {
            file.relative_to(folder).with_suffix("").as_posix(): file
            for file in files
            if file.suffix.lower() in suffixes
        }
        """By their path below the folder without suffix."""
        self._by_stem: dict[str, list[str]] = {}
        for name in self.files:
            self._by_stem.setdefault(Path(name).name, []).append(name)

    def ending_like(self, image: Path) -> str | None:
        """The longest name that the image's path without suffix ends with, if any does."""
        wanted = f"/{image.with_suffix('').as_posix()}"
        names = [name for name in self._by_stem.get(image.stem, []) if wanted.endswith(f"/{name}")]
        return max(names, key=len, default=None)

    def of(self, image: Path) -> list[str]:
        """Names of the files that may be meant, one at best: those that end like the image's path decide."""
        wanted = image.with_suffix("").as_posix()
        names = self._by_stem.get(image.stem, [])
        return names if len(names) < 2 else [name for name in names if wanted.endswith(f"/{name}")]
