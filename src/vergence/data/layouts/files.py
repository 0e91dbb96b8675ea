"""What is in a folder: images in natural order, their numbers in time, their sizes."""

import os
import re
import unicodedata
from pathlib import Path

from vergence.data.pictures import picture_size
from vergence.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
VIDEO_SUFFIXES = frozenset(
    {
        *(
            ".mp4",
            ".mov",
            ".avi",
            ".mkv",
            ".webm",
            ".m4v",
            ".mpg",
            ".mpeg",
            ".wmv",
            ".ts",
            ".mts",
            ".m2ts",
            ".ogv",
            ".3gp",
        ),
        *(".hevc", ".h265", ".265", ".h264", ".264"),
    }
)


NUMBER = re.compile(r"(?<![\d.])\d+\.\d+(?![\d]|\.\d)|\d+", re.ASCII)
"""A number in a name, with decimals; 1.2.3 is three numbers."""


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``frame2`` comes before ``frame10``, and ``1.05`` before ``1.1``.

    Example:
        >>> sorted(["frame10.png", "frame9.png"], key=natural_key)
        ['frame9.png', 'frame10.png']
    """
    key: list[tuple[int, int, str]] = []
    last = 0
    for match in NUMBER.finditer(name):
        if match.start() > last:
            key.append((1, 0, name[last : match.start()]))
        whole, _, decimals = match.group().partition(".")
        key.append((0, int(whole), decimals))
        last = match.end()
    return key + ([(1, 0, name[last:])] if last < len(name) else [])


def composed(name: str) -> str:
    """A name with each letter and its marks as one: archives made on a Mac hold them apart, others together."""
    return unicodedata.normalize("NFC", name)


def require_folder(root: Path | str) -> Path:
    """The folder as a path; InputError where it is missing or no folder."""
    folder = Path(root)
    if not folder.exists():
        raise InputError(f"{folder} does not exist; check the path.")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, expected a folder; give the folder that holds the data.")
    return folder


def _names(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror}); check its permissions.") from error


def list_files(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[str]:
    """File names with one of the suffixes, in natural order, hidden ones left out; [] for a missing folder."""
    if not folder.is_dir():
        return []
    names = [e.name for e in _names(folder) if os.path.splitext(e.name)[1].lower() in suffixes and e.is_file()]
    return sorted(names, key=natural_key)


def dangling(folder: Path) -> list[str]:
    """Names of images that are links to what is not there, in natural order."""
    names = [e.name for e in _names(folder) if os.path.splitext(e.name)[1].lower() in IMAGE_SUFFIXES]
    return sorted((name for name in names if not os.path.exists(folder / name)), key=natural_key)


def list_folders(folder: Path) -> list[str]:
    """Names of the sub-folders in natural order, without hidden ones and links that lead back; [] for none."""
    if not folder.is_dir():
        return []
    return sorted((entry.name for entry in _names(folder) if _is_folder(entry, folder)), key=natural_key)


def _is_folder(entry: os.DirEntry[str], folder: Path) -> bool:
    """Whether an entry of a folder is one, and no link to a folder that it lies in: walks would have no end."""
    if not entry.is_symlink():
        return entry.is_dir()
    target = Path(os.path.realpath(entry.path))
    here = Path(os.path.realpath(folder))
    return target.is_dir() and target not in (here, *here.parents)


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the upright picture, from the file's header; InputError where it is no readable image."""
    return picture_size(path)


def stem_number(name: str) -> int | None:
    """The last whole number in a file name's stem, or None.

    Example:
        >>> stem_number("left_0042.png")
        42
    """
    numbers = re.findall(r"\d+", os.path.splitext(name)[0])
    return int(numbers[-1]) if numbers else None
