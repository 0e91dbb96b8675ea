"""What is in a folder: images in natural order, their numbers in time, their sizes."""

import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
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


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``frame2`` comes before ``frame10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


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


def list_folders(folder: Path) -> list[str]:
    """Names of the sub-folders in natural order, hidden ones left out; [] for a missing folder."""
    if not folder.is_dir():
        return []
    return sorted((entry.name for entry in _names(folder) if entry.is_dir()), key=natural_key)


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of the upright picture, from the file's header; InputError where it is no readable image."""
    return picture_size(path)


def stem_number(name: str) -> int | None:
    """The last whole number in a file name's stem, or None."""
    found = re.findall(r"\d+", os.path.splitext(name)[0])
    return int(found[-1]) if found else None


def positions(names: Sequence[str]) -> list[int]:
    """Positions in time of naturally sorted file names; a gap in their numbers stays a gap.

    The usual step between the numbers counts as one position (000000, 000005, 000010 are neighbours). Names without
    numbers, or with numbers of no usual step (time stamps), are counted 0, 1, 2 ...
    """
    numbers = [stem_number(name) for name in names]
    counted = list(range(len(names)))
    if len(names) < 3 or any(number is None for number in numbers):
        return counted
    steps = [b - a for a, b in itertools.pairwise(numbers)]  # type: ignore[operator]
    step, count = Counter(steps).most_common(1)[0]
    if step < 1 or min(steps) < step or 2 * count < len(steps) or any(one % step for one in steps):
        return counted
    return [(number - numbers[0]) // step for number in numbers]  # type: ignore[operator]
