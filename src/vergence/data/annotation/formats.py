"""What every format of annotators has in common: what is written of a frame, what is read of one, what went wrong."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.annotation.classes import Colour
from vergence.data.batch import IGNORED_LABEL
from vergence.data.buckets.remote import local
from vergence.data.structured import read_json
from vergence.errors import InputError

Label = NDArray[np.uint8]
_SHOWN = 20
FOLDERS = ("images", "JPEGImages", "annotations", "labels", "SegmentationClass", "SegmentationObject")
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
        shutil.copyfile(local(self.image), folder / self.file)


@dataclass
class Annotations:
    """What an annotator gave back."""

    classes: list[str]
    """Names; ids of the masks are indices into this list, ``IGNORED_LABEL`` where nothing was painted."""
    colours: list[Colour] | None = None
    """Colours of the classes, where the format has any."""
    space: str = ""
    """The label space by text, where the format carries it."""
    masks: dict[str, Callable[[tuple[int, int]], Label]] = field(default_factory=dict)
    """Name of a frame (path without suffix) -> reads the ids (H, W) uint8 at the size that is given.

    Raises InputError where the mask is broken, has another size, or colours and ids of no class.
    """


def check_room(annotations: Annotations) -> None:
    """InputError where another class would have no id."""
    if len(annotations.classes) >= IGNORED_LABEL:
        raise InputError(
            f"the annotations have more than {IGNORED_LABEL} classes, which is what masks of 8 bits can tell apart; "
            "take those away that are not used."
        )


class Problems:
    """Everything that is wrong with a set of annotations, told at once."""

    def __init__(self, export: Path) -> None:
        self.export = export
        self.messages: list[str] = []

    def add(self, text: str) -> None:
        self.messages.append(text.rstrip("."))

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Note an InputError and go on."""
        try:
            yield
        except InputError as error:
            self.add(str(error))

    def check(self) -> None:
        """InputError with a list of the problems, if there are any."""
        if not self.messages:
            return
        if len(self.messages) == 1:
            raise InputError(f"{self.export} cannot be imported, nothing was written: {self.messages[0]}.")
        lines = [f"  {text}" for text in self.messages[:_SHOWN]]
        if len(self.messages) > _SHOWN:
            lines.append(f"  and {len(self.messages) - _SHOWN} more")
        head = f"{self.export} cannot be imported, nothing was written; it has {len(self.messages)} problems:"
        raise InputError("\n".join([head, *lines]))


def check_size(mask: NDArray[np.generic], size: tuple[int, int], name: str) -> None:
    """InputError where a mask (H, W, ...) has another size than its image (H, W)."""
    if mask.shape[:2] != size:
        raise InputError(
            f"{name} is {mask.shape[1]}x{mask.shape[0]}, but its image is {size[1]}x{size[0]}; "
            "annotate the image at its own size."
        )


def json_files(export: Path) -> Iterator[tuple[Path, Any]]:
    """The JSON files of a set of annotations (or the one that it is) with their contents; InputError where broken."""
    paths = [export] if export.is_file() else sorted([*export.glob("*.json"), *export.glob("annotations/*.json")])
    for path in paths:
        yield path, read_json(path, "annotations", "export it again, or take it away", finite=False)
