"""Tasks of Label Studio: which image each is of, its classes, its brush masks."""

import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from vergence.data.annotation import brush
from vergence.data.annotation.classes import Colour, parse_colour, voc_colour
from vergence.data.annotation.formats import Annotations, Label, Problems
from vergence.data.batch import IGNORED_LABEL
from vergence.data.structured import read_xml
from vergence.errors import InputError

CONFIG = "label_config.xml"
_OTHER_SHAPES = ("polygonlabels", "rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels", "bitmasklabels")


def is_tasks(content: Any) -> bool:
    """Whether the content of a JSON file looks like tasks of Label Studio."""
    return isinstance(content, list) and bool(content) and all(isinstance(task, dict) for task in content) and (
        "data" in content[0] or "image" in content[0]
    )  # fmt: skip


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


def place_of(name: str, found: Annotations) -> int:
    """The place of a class, which is entered where it is new."""
    if name not in found.classes:
        found.classes.append(name)
        assert found.colours is not None
        found.colours.append(voc_colour(len(found.classes)))
    return found.classes.index(name)


def frame_of(task: dict[str, Any]) -> str | None:
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


def read_task(task: dict[str, Any], found: Annotations, problems: Problems) -> None:
    """Enter the one annotation of a task, if it has one."""
    number = task.get("id", "")
    given = task.get("annotations") or []
    valid = [one for one in given if isinstance(one, dict) and not one.get("was_cancelled")]
    if not valid:
        return
    name = frame_of(task)
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
        regions.append((place_of(str(classes[0]), found), region))

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
