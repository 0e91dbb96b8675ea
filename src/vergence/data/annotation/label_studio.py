"""Label Studio: tasks with brush masks as JSON, both ways; and its export of one PNG for each class."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from vergence.data.annotation import brush
from vergence.data.annotation.classes import AnnotationClasses, Colour, hexadecimal, parse_colour, voc_colour
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, check_size, json_files
from vergence.data.atomic import write_text, writing
from vergence.data.batch import IGNORED_LABEL
from vergence.data.images import opened
from vergence.data.labels import LabelSpace
from vergence.errors import InputError

TASKS, CONFIG = "tasks.json", "label_config.xml"
PICTURES = "**/task-*-annotation-*.png"
_FROM, _TO = "tag", "image"
_OTHER_SHAPES = ("polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels", "bitmasklabels")


def is_tasks(content: Any) -> bool:
    """Whether the content of a JSON file looks like tasks of Label Studio."""
    return isinstance(content, list) and bool(content) and all(isinstance(task, dict) for task in content) and (
        "data" in content[0] or "image" in content[0]
    )  # fmt: skip


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write images, ``tasks.json`` (labels as annotations, predicted ones as predictions) and ``label_config.xml``."""
    labels = "\n".join(
        f"    <Label value={quoteattr(name)} background={quoteattr(hexadecimal(colour))}/>"
        for _, name, colour in classes.painted()
    )
    write_text(
        out / CONFIG,
        f'<View>\n  <Image name="{_TO}" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="{_FROM}" toName="{_TO}">\n{labels}\n  </BrushLabels>\n</View>\n',
    )
    with writing(out / TASKS) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "[\n"
        for frame in frames:
            frame.copy_image(out / "images")
            file.write(separator + json.dumps(_task(frame, classes)))
            separator = ",\n"
        file.write("\n]\n")


def _task(frame: ExportedFrame, classes: AnnotationClasses) -> dict[str, Any]:
    """One task; a part of a file, so that the masks of a large set are never in memory together."""
    task: dict[str, Any] = {"data": {"image": f"/data/local-files/?d=images/{frame.file}", "frame": frame.name}}
    if frame.label is None:
        return task
    result = []
    for index, name, _ in classes.painted():
        mask = frame.label == index
        if mask.any():
            value = {"format": "rle", "rle": brush.encode(mask), "brushlabels": [name]}
            result.append(
                {
                    "id": f"class{index}",
                    "type": "brushlabels",
                    "from_name": _FROM,
                    "to_name": _TO,
                    "original_width": frame.size[1],
                    "original_height": frame.size[0],
                    "image_rotation": 0,
                    "value": value,
                }
            )
    if frame.predicted:
        return {**task, "predictions": [{"model_version": "vergence", "result": result}]}
    return {**task, "annotations": [{"result": result}]}


def read(source: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read the export as JSON, or as PNG with the JSON beside it, which alone says what image a task is of.

    Of brush strokes that overlap the later one is on top. Predictions that nobody accepted are not read.
    """
    names, colours = _config(source / CONFIG) if source.is_dir() else ([], [])
    found = Annotations(names, colours)
    tasks = [task for _, content in json_files(source) if is_tasks(content) for task in content]
    pictures = sorted(source.glob(PICTURES)) if source.is_dir() else []
    if pictures:
        _read_pictures(source, pictures, tasks, [*names, *(known.classes if known else ())], found, problems)
    else:
        for task in tasks:
            _read_task(task, found, problems)
    return found


def _config(path: Path) -> tuple[list[str], list[Colour]]:
    """Names and colours of a label configuration, none where there is none."""
    if not path.is_file():
        return [], []
    try:
        labels = [node for node in ElementTree.parse(path).iter("Label") if node.get("value")]
    except (ElementTree.ParseError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}); copy it again from the export or the project.") from error
    names = [str(node.get("value")) for node in labels]
    return names, [
        parse_colour(node.get("background", "")) or voc_colour(number) for number, node in enumerate(labels, start=1)
    ]


def _place(name: str, found: Annotations) -> int:
    """The place of a class, which is entered where it is new."""
    if name not in found.classes:
        found.classes.append(name)
        assert found.colours is not None
        found.colours.append(voc_colour(len(found.classes)))
    return found.classes.index(name)


def _name(task: dict[str, Any]) -> str | None:
    """Name of a task's frame: from the export, or else the file name in its address without what an upload adds."""
    data = task.get("data", task)
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("frame"), str):
        return str(data["frame"])
    for text in (value for value in data.values() if isinstance(value, str)):
        address = urlsplit(text)
        file = unquote(address.query.partition("d=")[2] if "d=" in address.query else address.path)
        if re.search(r"\.(png|jpe?g|bmp|webp|tiff?)$", file, re.IGNORECASE):
            path = PurePosixPath(file)
            uploaded = "upload" in path.parts
            return re.sub(r"^[0-9a-f]{8}-", "", path.stem) if uploaded else path.with_suffix("").as_posix()
    return None


def _read_task(task: dict[str, Any], found: Annotations, problems: Problems) -> None:
    """Enter the one annotation of a task, if it has one."""
    number = task.get("id", "")
    given = task.get("annotations") or []
    valid = [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
    if not valid:
        return
    name = _name(task)
    if name is None:
        problems.add(f"task {number} names no image; its data should have an address that ends in .png or .jpg")
        return
    if len(valid) > 1:
        problems.add(f"{name} has {len(valid)} annotations; keep one")
    if name in found.masks:
        problems.add(f"{name} is the image of several tasks with annotations; keep one")
    regions = []
    for region in valid[0].get("result") or []:
        kind = region.get("type") if isinstance(region, dict) else None
        if kind in _OTHER_SHAPES:
            problems.add(f"{name} has a region of type {kind}, which is no mask; draw it with the brush")
        if kind != "brushlabels":
            continue
        value = region.get("value") or {}
        classes = value.get("brushlabels") or []
        if len(classes) != 1:
            problems.add(f"{name} has a brush region with {len(classes)} classes {classes}; give it one")
            continue
        regions.append((_place(str(classes[0]), found), region))

    def load(size: tuple[int, int]) -> Label:
        label = np.full(size, IGNORED_LABEL, dtype=np.uint8)
        for place, region in regions:
            label[_mask(region, size, str(name))] = place
        return label

    found.masks[name] = load


def _mask(region: dict[str, Any], size: tuple[int, int], name: str) -> Any:
    height, width = region.get("original_height"), region.get("original_width")
    if (height, width) != size:
        raise InputError(
            f"{name} was annotated at {width}x{height}, but the image is {size[1]}x{size[0]}; "
            "annotate it at its own size."
        )
    if region.get("image_rotation"):
        raise InputError(f"{name} was annotated on a rotated image; rotate it back in Label Studio.")
    try:
        return brush.decode(region["value"]["rle"], *size)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name} has a broken brush mask ({error}); export it again.") from error


def _read_pictures(
    source: Path,
    pictures: Sequence[Path],
    tasks: Sequence[dict[str, Any]],
    known: Sequence[str],
    found: Annotations,
    problems: Problems,
) -> None:
    """Enter the PNG export: ``task-T-annotation-A-by-USER-CONTROL-CLASS-N.png``, white where the class is."""
    names = {str(task["id"]): _name(task) for task in tasks if "id" in task}
    if not names:
        raise InputError(
            f"{source} has PNG files of tasks, which do not name their images; export the project as JSON too and put "
            "the file beside them."
        )
    groups: dict[str, dict[str, list[tuple[int, Path]]]] = {}
    for path in pictures:
        parts = re.fullmatch(r"task-(\d+)-annotation-(\d+)-by-(.+)-\d+", path.stem)
        word = _class_of(parts[3], known) if parts else None
        name = names.get(parts[1]) if parts else None
        if parts is None or word is None or name is None:
            reason = "is not named like task-1-annotation-1-by-1-tag-CLASS-0.png" if word is None else (
                "is of a task that the JSON file does not have, or has without image"
            )  # fmt: skip
            problems.add(f"{path} {reason}")
            continue
        groups.setdefault(name, {}).setdefault(parts[2], []).append((_place(word, found), path))
    for name, annotations in groups.items():
        if len(annotations) > 1:
            problems.add(f"{name} has {len(annotations)} annotations; keep one")
        first = next(iter(annotations.values()))

        def load(size: tuple[int, int], layers: list[tuple[int, Path]] = first) -> Label:
            label = np.full(size, IGNORED_LABEL, dtype=np.uint8)
            for place, path in layers:
                with opened(path) as image:
                    layer = np.array(image.convert("L"))
                check_size(layer, size, str(path))
                label[layer >= 128] = place
            return label

        found.masks[name] = load


def _class_of(words: str, known: Sequence[str]) -> str | None:
    """The class in ``USER-CONTROL-CLASS``: the longest known one at the end, or what follows the control "tag"."""
    for name in sorted(known, key=len, reverse=True):
        if words.endswith(f"-{name}"):
            return name
    return words.partition(f"-{_FROM}-")[2] or None
