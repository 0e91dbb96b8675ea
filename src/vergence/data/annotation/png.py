"""Plain files: ``labels/NAME.png`` with class ids and a palette, ``images/``, and ``classes.json`` with the names.

The same form that :mod:`vergence.data.layouts` knows as a folder of images and labels.
"""

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vergence.data.annotation.classes import (
    IGNORE_COLOUR,
    AnnotationClasses,
    Colour,
    distinct_colours,
    hexadecimal,
    parse_colour,
)
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, check_size
from vergence.data.atomic import write_text
from vergence.data.batch import IGNORED_LABEL
from vergence.data.labels import LabelSpace, label_space
from vergence.data.masks.label_files import read_label_space
from vergence.data.masks.label_pictures import Coding, decode_label
from vergence.data.structured import read_structured
from vergence.errors import InputError

CLASSES = "classes.json"


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write images, labels of those frames that have one, and the classes."""
    rows = [{"id": index, "name": name, "color": hexadecimal(colour)} for index, name, colour in classes.painted()]
    text = {
        "name": classes.space.name,
        "label_space": classes.space.text(),
        "ignore_index": IGNORED_LABEL,
        "ignore": rows.pop(),
        "classes": rows,
    }
    write_text(out / CLASSES, json.dumps(text, indent=2) + "\n")
    for frame in frames:
        frame.copy_image(out / "images")
        if frame.label is not None:
            write_palette_png(out / "labels" / f"{frame.name}.png", frame.label, classes.palette())


def write_palette_png(path: Path, label: Label, palette: list[int]) -> None:
    """Ids (H, W) uint8 as a PNG of one channel with a palette of 768 numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label)
    image.putpalette(palette)
    image.save(path)


@dataclass(frozen=True)
class _Classes:
    """What values of the files mean."""

    names: list[str]
    """Names of the classes in order of id, and of what is ignored."""
    colours: list[Colour]
    void: tuple[int, ...]
    """Ids of what is ignored."""
    coloured: bool
    """Whether the colours are those of the file, and not made up."""
    space: str


def read(folder: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read what :func:`write` wrote and people changed: ids with or without palette, or the colours of the classes."""
    classes = _read_classes(folder / CLASSES)
    annotations = Annotations(classes.names, classes.colours, classes.space)
    for path in sorted(folder.glob("labels/**/*.png")):
        name = path.relative_to(folder / "labels").with_suffix("").as_posix()

        def load(size: tuple[int, int], path: Path = path) -> Label:
            return _read_mask(path, size, classes)

        annotations.masks[name] = load
    return annotations


def _read_classes(path: Path) -> _Classes:
    """The classes of a file, ours or one that people wrote; InputError as of ``read_label_space``."""
    space = read_label_space(path)
    text = read_structured(path)
    entries = (text.get("classes") or text.get("labels")) if isinstance(text, dict) else text
    listed = entries if isinstance(entries, list) else []
    section = text.get("ignore") if isinstance(text, dict) else None
    ignore = section if isinstance(section, dict) else {}
    colour = parse_colour(str(ignore.get("color"))) or distinct_colours([IGNORE_COLOUR], space.colours)[0]
    own = space.text()
    with contextlib.suppress(InputError, AttributeError):
        stated = str(text.get("label_space", ""))
        own = stated if label_space(stated).classes == space.classes else own
    return _Classes(
        [*space.classes, AnnotationClasses.of(space).ignore],
        [*space.colours, colour],
        (*space.void, IGNORED_LABEL),
        isinstance(entries, dict) or all(isinstance(one, dict) and one.keys() & {"color", "colour"} for one in listed),
        own,
    )


def _read_mask(path: Path, size: tuple[int, int], classes: _Classes) -> Label:
    """Places of the classes (H, W) uint8."""
    last = len(classes.names) - 1
    class_ids = {**{class_id: class_id for class_id in range(last)}, **dict.fromkeys(classes.void, last)}
    distinct = classes.colours if classes.coloured and len(set(classes.colours)) == len(classes.colours) else []
    colours = {colour: class_id for class_id, colour in enumerate(distinct)}
    expected = {value: classes.colours[class_id] for value, class_id in class_ids.items() if classes.coloured}
    mask = decode_label(path, Coding(CLASSES, class_ids, colours, expected, last))
    check_size(mask, size, str(path))
    return mask
