"""CVAT's "Segmentation mask 1.1": coloured PNG files in ``SegmentationClass/`` and the colours in ``labelmap.txt``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vergence.data.annotation.classes import (
    BACKGROUND,
    BLACK,
    AnnotationClasses,
    Colour,
    hexadecimal,
    voc_colour,
)
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, check_size
from vergence.data.atomic import write_text
from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LabelSpace
from vergence.data.masks.label_pictures import Coding, decode_label
from vergence.data.structured import read_lines
from vergence.errors import InputError

LABEL_MAP = "labelmap.txt"
MASKS = "SegmentationClass"


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write what CVAT imports as "Segmentation mask 1.1", and ``labels.json`` for its raw constructor of labels.

    Each class of a frame is one object (``SegmentationObject/``). Black is what nobody painted, so that a class of the
    name "background" is black and needs no painting.
    """
    painted = [(index, name, BLACK if name == BACKGROUND else colour) for index, name, colour in classes.painted()]
    lines = [f"{name}:{red},{green},{blue}::" for _, name, (red, green, blue) in painted]
    if BACKGROUND not in classes.names:
        lines.insert(0, f"{BACKGROUND}:0,0,0::")
    write_text(out / LABEL_MAP, "\n".join(["# label:color_rgb:parts:actions", *lines, ""]))
    write_text(out / "labels.json", json.dumps(label_list(classes), indent=2) + "\n")
    table = np.zeros((256, 3), dtype=np.uint8)
    table[[index for index, _, _ in painted]] = [colour for _, _, colour in painted]
    written = []
    for frame in frames:
        frame.copy_image(out / "JPEGImages")
        written.append(frame.name)
        if frame.label is not None:
            _save(out / MASKS / f"{frame.name}.png", table[frame.label])
            _save(out / "SegmentationObject" / f"{frame.name}.png", _objects(frame.label, table))
    write_text(out / "ImageSets" / "Segmentation" / "default.txt", "\n".join([*written, ""]))


def label_list(classes: AnnotationClasses) -> list[dict[str, Any]]:
    """The labels of a task or project as CVAT's raw constructor takes them; what is black needs none."""
    return [
        {"name": name, "color": hexadecimal(colour), "attributes": []}
        for _, name, colour in classes.painted()
        if name != BACKGROUND
    ]


def _save(path: Path, picture: Label) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def _objects(label: Label, table: Label) -> Label:
    """Colours (H, W, 3) of the objects, numbered from 1; black where the class is black."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    present = [index for index in np.unique(label) if table[index].any()]
    for number, index in enumerate(present, start=1):
        colours[index] = voc_colour(number)
    return colours[label]


def read(folder: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read the masks of an export; black is "background" where ``labelmap.txt`` does not say otherwise."""
    names, colours = _read_label_map(folder / LABEL_MAP)
    annotations = Annotations(names, colours)
    for path in sorted((folder / MASKS).glob("**/*.png")):
        name = path.relative_to(folder / MASKS).with_suffix("").as_posix()

        def load(size: tuple[int, int], path: Path = path) -> Label:
            return _read_mask(path, size, colours)

        annotations.masks[name] = load
    return annotations


def _read_label_map(path: Path) -> tuple[list[str], list[Colour]]:
    """Names and colours; a line is NAME:R,G,B:PARTS:ACTIONS."""
    lines = read_lines(path, "export it again: it says which colour is which class")
    names: list[str] = []
    colours: list[Colour] = []
    for line in (line.strip() for line in lines):
        if not line or line.startswith("#"):
            continue
        fields = line.split(":")
        name, numbers = ":".join(fields[:-3]), fields[-3] if len(fields) > 3 else ""
        parts = [int(part) for part in numbers.split(",") if part.strip().isdecimal() and len(part.strip()) <= 3]
        if len(parts) != 3 or max(parts) > 255 or not name:
            raise InputError(f"{path}: {line!r} should be like 'road:128,64,128::'; export it again.")
        colour = (parts[0], parts[1], parts[2])
        if colour in colours or name in names:
            other = names[colours.index(colour)] if colour in colours else name
            raise InputError(f"{path}: {name} and {other} share a name or a colour; give each its own, export again.")
        names.append(name)
        colours.append(colour)
    if len(names) >= IGNORED_LABEL:
        raise InputError(f"{path} names {len(names)} classes, possible are {IGNORED_LABEL - 1}; take some away.")
    if BLACK not in colours:
        if BACKGROUND in names:
            raise InputError(f"{path}: {BACKGROUND} must be black (0,0,0), as what nobody painted; export it again.")
        names.append(BACKGROUND)
        colours.append(BLACK)
    return names, colours


def _read_mask(path: Path, size: tuple[int, int], colours: list[Colour]) -> Label:
    """Class indices (H, W) uint8; a mask of one channel holds the indices of the label map."""
    class_ids = {class_id: class_id for class_id in (*range(len(colours)), IGNORED_LABEL)}
    by_colour = {colour: class_id for class_id, colour in enumerate(colours)}
    mask = decode_label(path, Coding(LABEL_MAP, class_ids, by_colour, dict(enumerate(colours)), len(colours)))
    check_size(mask, size, str(path))
    return mask
