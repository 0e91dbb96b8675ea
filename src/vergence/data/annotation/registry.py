"""The formats of annotators by name, and which of them a folder is in."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from vergence.data.annotation import coco, cvat, label_studio, png
from vergence.data.annotation.classes import AnnotationClasses
from vergence.data.annotation.formats import Annotations, ExportedFrame, Problems, json_files
from vergence.data.annotation.label_studio_png import PICTURES
from vergence.data.annotation.label_studio_tasks import tasks_of
from vergence.data.labels import LabelSpace
from vergence.errors import InputError, nearest

Format = Literal["cvat", "label_studio", "coco", "png"]

Writer = Callable[[Iterable[ExportedFrame], AnnotationClasses, Path], None]
Reader = Callable[[Path, Problems, LabelSpace | None], Annotations]
_FORMATS: dict[str, tuple[Writer, Reader]] = {
    "cvat": (cvat.write, cvat.read),
    "label_studio": (label_studio.write, label_studio.read),
    "coco": (coco.write, coco.read),
    "png": (png.write, png.read),
}


def writer(name: str) -> Writer:
    """Writes frames in this format; InputError with the nearest name where there is none."""
    return _find(name)[0]


def reader(name: str) -> Reader:
    """Reads annotations in this format; InputError with the nearest name where there is none."""
    return _find(name)[1]


def is_labelme(content: Any) -> bool:
    """Whether the content of a JSON file looks like labelme's, which names its picture as tasks do."""
    return isinstance(content, dict) and content.keys() >= {"shapes", "imagePath"}


def _find(name: str) -> tuple[Writer, Reader]:
    if name not in _FORMATS:
        known = get_args(Format)
        raise InputError(f"there is no format {name!r} of labels{nearest(name, known)}; there are {', '.join(known)}.")
    return _FORMATS[name]


def detect(export: Path) -> str:
    """Name of the format that a folder, or a JSON file, is in; InputError where it is none of them."""
    if export.is_dir():
        if (export / cvat.MASKS).is_dir():
            return "cvat"
        if (export / png.CLASSES).is_file():
            return "png"
        if any(export.glob(PICTURES)):
            return "label_studio"
    for _, content in json_files(export):
        if coco.is_coco(content):
            return "coco"
        if tasks_of(content) and not is_labelme(content):
            return "label_studio"
    if export.is_dir() and any(export.glob("labels/**/*.png")):
        raise InputError(f"{export} has labels/ but no {png.CLASSES}; put the {png.CLASSES} of the export there.")
    other = _other_tool(export)
    if other:
        raise InputError(
            f"{export} looks like annotations of {other}, which are not read; export them as COCO with polygons or "
            "run-length code, or as PNG masks."
        )
    raise InputError(
        f"{export} is in no form that can be imported: it has neither SegmentationClass/ (CVAT, Segmentation mask "
        f"1.1), nor {png.CLASSES} (PNG), nor a JSON file of COCO or Label Studio; export it in one of these."
    )


def _other_tool(export: Path) -> str:
    """The name of a tool whose form annotations seem to have, or ""."""
    if export.is_dir():
        if next(export.glob("*.xml"), None) or next(export.glob("*/*.xml"), None):
            return "CVAT for images, or Pascal VOC (XML)"
        if (export / "meta.json").is_file() and next(export.glob("*/ann"), None):
            return "Supervisely"
        if next(export.glob("labels/**/*.txt"), None):
            return "YOLO (text)"
    for _, content in json_files(export):
        if isinstance(content, dict):
            if is_labelme(content):
                return "labelme"
            if "_via_img_metadata" in content or any(
                isinstance(one, dict) and "regions" in one for one in content.values()
            ):
                return "VIA"
    return ""
