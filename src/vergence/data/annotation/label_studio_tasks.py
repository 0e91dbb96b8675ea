"""Tasks of Label Studio: which image each is of, its classes, its brush masks."""

import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from vergence.data.annotation import brush
from vergence.data.annotation.classes import Colour, parse_colour, voc_colour
from vergence.data.annotation.formats import Annotations, Label, Problems, check_room
from vergence.data.batch import IGNORED_LABEL
from vergence.data.structured import read_xml
from vergence.errors import InputError

CONFIG = "label_config.xml"
_IMAGE = re.compile(r"\.(png|jpe?g|bmp|webp|tiff?)$", re.IGNORECASE)
_OTHER_SHAPES = ("polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels", "bitmasklabels")


def tasks_of(content: Any) -> list[dict[str, Any]]:
    """Tasks with annotations from the content of a JSON file; none where it is nothing of Label Studio's.

    Whole tasks, one or a list; JSON-MIN, which keeps the regions of one annotation under the name of each brush;
    annotations with their task, as a target storage holds them; ``completions`` of versions before 1.0.
    """
    listed = content if isinstance(content, list) else [content]
    if not listed or not all(isinstance(task, dict) for task in listed):
        return []
    if not all("data" in task or "result" in task or _names_image(task) for task in listed):
        return []
    return [_whole(task) for task in listed]


def _names_image(values: dict[str, Any]) -> bool:
    return any(isinstance(value, str) and _IMAGE.search(_file(value)) for value in values.values())


def _whole(task: dict[str, Any]) -> dict[str, Any]:
    """A task as the full JSON export has it."""
    if isinstance(task.get("task"), dict) and "result" in task:
        return {**task["task"], "annotations": [task]}
    if "data" in task:
        return {**task, "annotations": task.get("annotations") or task.get("completions") or []}
    regions = [
        {
            "type": next((kind for kind in ("brushlabels", *_OTHER_SHAPES) if kind in region), "unknown"),
            "from_name": key,
            **{part: region.get(part) for part in ("original_width", "original_height", "image_rotation")},
            "value": region,
        }
        for key, value in task.items()
        for region in dicts(value)
        if "original_width" in region
    ]
    annotated = regions or "annotation_id" in task
    return {"id": task.get("id", ""), "data": task, "annotations": [{"result": regions}] if annotated else []}


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def read_config(path: Path) -> tuple[list[str], list[Colour]]:
    """Names and colours of a label configuration, none where there is none."""
    if not path.is_file():
        return [], []
    root = read_xml(path, remedy="copy it again from the export or the project")
    labels = [node for node in root.iter("Label") if node.get("value")]
    names = [str(node.get("value")) for node in labels]
    return names, [
        parse_colour(node.get("background", "")) or voc_colour(number) for number, node in enumerate(labels, start=1)
    ]


def class_id_of(name: str, annotations: Annotations) -> int:
    """Id of a class, which is entered where it is new."""
    if name not in annotations.classes:
        check_room(annotations)
        annotations.classes.append(name)
        assert annotations.colours is not None
        annotations.colours.append(voc_colour(len(annotations.classes)))
    return annotations.classes.index(name)


def frame_of(task: dict[str, Any]) -> str | None:
    """Name of a task's frame: from the export, or else the path in its address."""
    data = task.get("data")
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("frame"), str):
        return str(data["frame"])
    files = (_file(value) for value in data.values() if isinstance(value, str))
    return next((PurePosixPath(file).with_suffix("").as_posix() for file in files if _IMAGE.search(file)), None)


def _file(text: str) -> str:
    """The path that an address names."""
    try:
        address = urlsplit(text)
    except ValueError:
        return ""
    file = unquote(address.query.partition("d=")[2] if "d=" in address.query else address.path)
    return file.replace("\\", "/")


def read_task(task: dict[str, Any], annotations: Annotations, problems: Problems) -> None:
    """Enter the one annotation of a task, if it has one."""
    number = task.get("id", "")
    annotated = task["annotations"]
    if not isinstance(annotated, list) or not all(isinstance(one, dict) for one in annotated):
        problems.add(f"task {number} has annotations that are no list of objects; export it again")
        return
    valid = [one for one in annotated if not one.get("was_cancelled") and not one.get("skipped")]
    if not valid:
        return
    name = frame_of(task)
    if name is None:
        problems.add(f"task {number} names no image; its data should have an address that ends in .png or .jpg")
        return
    if len(valid) > 1:
        problems.add(f"{name} has {len(valid)} annotations; keep one")
    if name in annotations.masks:
        problems.add(f"{name} is the image of several tasks with annotations; keep one")
    regions = _regions(valid[0].get("result"), name, annotations, problems)

    def load(size: tuple[int, int]) -> Label:
        label = np.full(size, IGNORED_LABEL, dtype=np.uint8)
        for class_id, region in regions:
            label[_mask(region, size, str(name))] = class_id
        return label

    annotations.masks[name] = load


def _regions(result: Any, name: str, annotations: Annotations, problems: Problems) -> list[tuple[int, dict[str, Any]]]:
    """Class id and brush region, in order; what is no such region is a problem, or nothing of pixels."""
    if result is None:
        return []
    if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
        problems.add(f"{name} has a result that is no list of regions; export it again")
        return []
    # a brush without labels of its own has them in a second region of the same id
    labels = {
        str(one.get("id")): one["value"]["labels"]
        for one in result
        if isinstance(one.get("value"), dict) and one["value"].get("labels")
    }
    regions = []
    for region in result:
        kind = region.get("type")
        value = region["value"] if isinstance(region.get("value"), dict) else {}
        if kind in _OTHER_SHAPES:
            problems.add(f"{name} has a region of type {kind}, which is no mask; draw it with the brush")
        if kind != "brushlabels" and "rle" not in value:
            continue
        classes = value.get("brushlabels") or value.get("labels") or labels.get(str(region.get("id"))) or []
        if not isinstance(classes, list) or len(classes) != 1 or not isinstance(classes[0], str):
            names = classes if isinstance(classes, list) else [classes]
            problems.add(f"{name} has a brush region with {len(names)} classes {str(names)[:80]}; give it one")
            continue
        regions.append((class_id_of(classes[0], annotations), region))
    return regions


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
