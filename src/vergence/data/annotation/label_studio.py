"""Label Studio: tasks with brush masks as JSON, both ways; and its export of one PNG for each class."""

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from vergence.data.annotation import brush
from vergence.data.annotation.classes import AnnotationClasses, hexadecimal
from vergence.data.annotation.formats import Annotations, ExportedFrame, Label, Problems, json_files
from vergence.data.annotation.label_studio_png import PICTURES, read_pictures
from vergence.data.annotation.label_studio_tasks import CONFIG, read_config, read_task, tasks_of
from vergence.data.atomic import write_text, writing
from vergence.data.labels import LabelSpace

_log = logging.getLogger("vergence")
TASKS = "tasks.json"
_FROM, _TO = "tag", "image"


def write(frames: Iterable[ExportedFrame], classes: AnnotationClasses, out: Path) -> None:
    """Write images, ``tasks.json`` (labels as annotations, predicted ones as predictions) and ``label_config.xml``."""
    write_text(out / CONFIG, label_config(classes))
    with writing(out / TASKS) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "[\n"
        for frame in frames:
            frame.copy_image(out / "images")
            file.write(separator + json.dumps(_task(frame, classes)))
            separator = ",\n"
        file.write("\n]\n")


def label_config(classes: AnnotationClasses) -> str:
    """The labelling interface of a project: one picture, and a brush with the classes in their colours."""
    labels = "\n".join(
        f"    <Label value={quoteattr(name)} background={quoteattr(hexadecimal(colour))}/>"
        for _, name, colour in classes.painted()
    )
    return (
        f'<View>\n  <Image name="{_TO}" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="{_FROM}" toName="{_TO}">\n{labels}\n  </BrushLabels>\n</View>\n'
    )


def takes_tasks(config: Any) -> bool:
    """Whether a labelling interface (the root of its XML) has the picture and the brush that our tasks name."""
    pictures = [one for one in config.iter("Image") if one.get("name") == _TO and one.get("value") == "$image"]
    brushes = [one for one in config.iter("BrushLabels") if (one.get("name"), one.get("toName")) == (_FROM, _TO)]
    return bool(pictures and brushes)


def _task(frame: ExportedFrame, classes: AnnotationClasses) -> dict[str, Any]:
    """One task; a part of a file, so that the masks of a large set are never in memory together."""
    task: dict[str, Any] = {"data": {"image": f"/data/local-files/?d=images/{frame.file}", "frame": frame.name}}
    if frame.label is None:
        return task
    result = brush_regions(frame.label, {index: name for index, name, _ in classes.painted()})
    if frame.predicted:
        return {**task, "predictions": [{"model_version": "vergence", "result": result}]}
    return {**task, "annotations": [{"result": result}]}


def brush_regions(
    label: Label, names: Mapping[int, str], from_name: str = _FROM, to_name: str = _TO
) -> list[dict[str, Any]]:
    """Regions of Label Studio's brush, one for each class of a label (H, W) that has a name."""
    height, width = label.shape
    return [
        {
            "id": f"class{index}",
            "type": "brushlabels",
            "from_name": from_name,
            "to_name": to_name,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": brush.encode(label == index), "brushlabels": [name]},
        }
        for index, name in names.items()
        if (label == index).any()
    ]


def read(export: Path, problems: Problems, known: LabelSpace | None = None) -> Annotations:
    """Read the export as JSON, or as PNG with the JSON beside it, which alone says what image a task is of.

    Of brush strokes that overlap the later one is on top. Predictions that nobody accepted are not read.
    """
    names, colours = read_config(export / CONFIG) if export.is_dir() else ([], [])
    annotations = Annotations(names, colours)
    tasks = [task for _, content in json_files(export) for task in tasks_of(content)]
    pictures = sorted(export.glob(PICTURES)) if export.is_dir() else []
    if pictures:
        read_pictures(export, pictures, tasks, [*names, *(known.classes if known else ())], annotations, problems)
    else:
        for task in tasks:
            read_task(task, annotations, problems)
        _tell_predictions(tasks, annotations, problems)
    return annotations


def _tell_predictions(tasks: list[dict[str, Any]], annotations: Annotations, problems: Problems) -> None:
    alone = sum(bool(task.get("predictions")) and not task["annotations"] for task in tasks)
    if alone and not annotations.masks:
        problems.add(
            f"its tasks have predictions only ({alone}), which nobody accepted; submit them in Label Studio and export "
            "again"
        )
    elif alone:
        _log.warning("%d tasks have predictions only, which nobody accepted: they are left out", alone)
