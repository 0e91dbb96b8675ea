"""Plain files: ``labels/NAME.png`` with class ids and a palette, ``images/``, and ``classes.json`` with the names."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vergence.data.annotation.classes import (
    IGNORE_COLOUR,
    IGNORE_NAMES,
    AnnotationClasses,
    Colour,
    distinct_colours,
    hexadecimal,
    ids_of_colours,
    parse_colour,
    unknown_colours,
)
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, check_size
from vergence.data.atomic import write_text
from vergence.data.batch import IGNORED_LABEL
from vergence.data.images import opened
from vergence.data.labels import LabelSpace
from vergence.errors import InputError

CLASSES = "classes.json"


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write images, labels of those frames that have one, and the classes."""
    rows = [{"id": index, "name": name, "colour": hexadecimal(colour)} for index, name, colour in classes.painted()]
    text = {"label_space": classes.space.text(), "ignore": rows.pop(), "classes": rows}
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


def read(folder: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read what :func:`write` wrote and people changed: ids with or without palette, or the colours of the classes."""
    names, colours, ids, space = _read_classes(folder / CLASSES)
    found = Annotations(names, colours, space)
    for path in sorted(folder.glob("labels/**/*.png")):
        name = path.relative_to(folder / "labels").with_suffix("").as_posix()

        def load(size: tuple[int, int], path: Path = path) -> Label:
            return _read_mask(path, size, colours, ids)

        found.masks[name] = load
    return found


def _read_classes(path: Path) -> tuple[list[str], list[Colour], list[int], str]:
    """Names and colours, the ids of the files that stand for them, and the label space by text."""
    try:
        text: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = [*text["classes"], *([text["ignore"]] if text.get("ignore") else [])]
        names = [str(row["name"]) for row in rows]
        ids = [int(row["id"]) for row in rows]
        colours = [parse_colour(str(row["colour"])) for row in rows]
        space = str(text.get("label_space", ""))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; put the {CLASSES} of the export beside labels/.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read as classes ({type(error).__name__}: {error}); "
            'expected {"classes": [{"id": 0, "name": "road", "colour": "#804080"}, ...]}.'
        ) from error
    listed: dict[str, list[Any]] = {"name": names, "id": ids, "colour": colours}
    for kind, values in listed.items():
        doubled = [value for value in values if values.count(value) > 1]
        if doubled:
            raise InputError(f"{path} has the {kind} {doubled[0]!r} twice; give each class its own.")
    if None in colours or not all(0 <= value <= 255 for value in ids):
        raise InputError(f"{path} needs colours such as #804080 and ids from 0 to 255; correct it.")
    given = [colour for colour in colours if colour is not None]
    if IGNORED_LABEL not in ids:
        ids.append(IGNORED_LABEL)
        names.append(next(name for name in IGNORE_NAMES if name not in names))
        given += distinct_colours([IGNORE_COLOUR], given)
    return names, given, ids, space


def _read_mask(path: Path, size: tuple[int, int], colours: list[Colour], ids: list[int]) -> Label:
    """Places of the classes (H, W) uint8."""
    places = list(range(len(ids)))
    with opened(path) as image:
        mode = image.mode
        if mode in ("L", "P", "1"):
            stored = np.array(image, dtype=np.uint8)
        else:
            picture = np.array(image.convert("RGB"))
        palette = image.getpalette() if mode == "P" else None
    if mode in ("L", "P", "1"):
        check_size(stored, size, str(path))
        table = np.full(256, IGNORED_LABEL, dtype=np.uint8)
        table[ids] = places
        present = [int(value) for value in np.unique(stored)]
        unknown = [value for value in present if value not in ids and value != IGNORED_LABEL]
        if unknown:
            raise InputError(
                f"{path} has the id {unknown[0]} ({np.sum(stored == unknown[0])} pixels), which is no class"
            )
        if palette is not None:
            _check_palette(path, palette, present, dict(zip(ids, colours, strict=True)))
        return table[stored]
    check_size(picture, size, str(path))
    mask, strangers = ids_of_colours(picture, colours, places)
    if strangers:
        raise InputError(unknown_colours(path, strangers))
    return mask


def _check_palette(path: Path, palette: list[int], present: list[int], expected: dict[int, Colour]) -> None:
    """A program that made a palette of its own has other colours, and its ids stand for other classes."""
    for index in present:
        colour = tuple(palette[3 * index : 3 * index + 3])
        if index in expected and colour != expected[index]:
            shown = hexadecimal(colour) if len(colour) == 3 else "nothing"
            raise InputError(
                f"{path} has another palette than {CLASSES}: index {index} is {shown} instead of "
                f"{hexadecimal(expected[index])}; keep the palette of the export, or save RGB colours"
            )
