"""What every format of annotators has in common: what is written of a frame, what is read of one, what went wrong."""

import contextlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.annotation.classes import Colour
from vergence.data.structured import read_json
from vergence.errors import InputError

Label = NDArray[np.uint8]
_SHOWN = 20
_FOLDERS = ("images", "JPEGImages", "annotations", "labels", "SegmentationClass", "SegmentationObject")
"""Folders of all formats."""


@dataclass(frozen=True)
class ExportedFrame:
    """One frame on its way to an annotator."""

    name: str
    """From :func:`vergence.data.annotation.names.frame_name`."""
    image: Path
    size: tuple[int, int]
    """Height and width of the image."""
    label: Label | None
    """Ids (H, W) of the label space, or None where nothing is known yet."""
    predicted: bool = False
    """Whether the label was predicted by a model rather than drawn by people."""

    @property
    def file(self) -> str:
        return self.name + self.image.suffix.lower()

    def copy_image(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.image, folder / self.file)


@dataclass
class Annotations:
    """What an annotator gave back."""

    classes: list[str]
    """Names; ids of the masks are places in this list, ``IGNORED_LABEL`` where nothing was painted."""
    colours: list[Colour] | None = None
    """Of the classes, where the format has colours."""
    space: str = ""
    """The label space by text, where the format carries it."""
    masks: dict[str, Callable[[tuple[int, int]], Label]] = field(default_factory=dict)
    """Name of a frame (path without suffix) -> reads the ids (H, W) uint8 at the size that is given.

    Raises InputError where the mask is broken, has another size, or colours and ids of no class.
    """


class Problems:
    """Everything that is wrong with a set of annotations, told at once."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.found: list[str] = []

    def add(self, text: str) -> None:
        self.found.append(text.rstrip("."))

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Note an InputError and go on."""
        try:
            yield
        except InputError as error:
            self.add(str(error))

    def check(self) -> None:
        """InputError with a list of the problems, if there are any."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise InputError(f"{self.source} cannot be imported, nothing was written: {self.found[0]}.")
        shown = [f"  {text}" for text in self.found[:_SHOWN]]
        if len(self.found) > _SHOWN:
            shown.append(f"  and {len(self.found) - _SHOWN} more")
        head = f"{self.source} cannot be imported, nothing was written; it has {len(self.found)} problems:"
        raise InputError("\n".join([head, *shown]))


def check_size(mask: NDArray[np.generic], size: tuple[int, int], what: str) -> None:
    """InputError where a mask (H, W, ...) has another size than its image (H, W)."""
    if mask.shape[:2] != size:
        raise InputError(
            f"{what} is {mask.shape[1]}x{mask.shape[0]}, but its image is {size[1]}x{size[0]}; "
            "annotate the image at its own size."
        )


def json_files(source: Path) -> Iterator[tuple[Path, Any]]:
    """The JSON files of a set of annotations (or the one that it is) with their contents; InputError where broken."""
    places = [source] if source.is_file() else sorted([*source.glob("*.json"), *source.glob("annotations/*.json")])
    for path in places:
        yield path, read_json(path, "annotations", "export it again, or take it away", finite=False)


@contextlib.contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The folder of a set of annotations; an archive is unpacked for the time being, without its pictures.

    Raises:
        InputError: there is no such folder or file, or the archive is damaged.
    """
    if source.is_dir() or (source.is_file() and source.suffix.lower() == ".json"):
        yield source
        return
    if not source.exists():
        raise InputError(f"{source} does not exist; give the folder or archive that the annotator exported.")
    if not zipfile.is_zipfile(source):
        raise InputError(f"{source} is no folder and no .zip; give what the annotator exported.")
    with tempfile.TemporaryDirectory(prefix="vergence-labels-") as folder:
        try:
            with zipfile.ZipFile(source) as archive:
                for member in archive.infolist():
                    if not _is_picture(member.filename):
                        archive.extract(member, folder)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{source} cannot be unpacked ({error}); export it again.") from error
        yield _inner(Path(folder))


def _is_picture(member: str) -> bool:
    """Whether a file of an archive is below the folder of images; masks may be in a folder of that name themselves."""
    parts = member.split("/")[:-1]
    return next((part in ("images", "JPEGImages") for part in parts[:2] if part in _FOLDERS), False)


def _inner(folder: Path) -> Path:
    """Archives often hold one folder that holds everything."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(("__MACOSX", "."))]
    alone = len(entries) == 1 and entries[0].is_dir() and entries[0].name not in _FOLDERS
    return entries[0] if alone else folder
