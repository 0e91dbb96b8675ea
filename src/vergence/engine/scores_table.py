"""An evaluation as tables for an 80-column console; all that the numbers depend on stands in their captions."""

import math
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from vergence.engine.odometry import odometry_table
from vergence.engine.scores import table

_BLOCK = 10
"""Classes below each other before a second column of classes starts."""
_LONGEST = 13
"""Letters of a class that are shown where two columns of classes stand side by side."""


def tables(result: dict[str, Any]) -> list[Table]:
    """Everything that an evaluation found, one table each: segmentation, its classes, depth, odometry."""
    found = []
    if "segmentation" in result:
        found += [segmentation_table(result["segmentation"]), class_table(result["segmentation"])]
    if result["rows"]:
        found.append(table(result))
    if "odometry" in result:
        found.append(odometry_table(result["odometry"]))
    return found


def segmentation_table(part: dict[str, Any]) -> Table:
    """Numbers over all classes, in percent."""
    shown = _empty("Segmentation, percent", part["stamp"])
    shown.expand = True
    shown.add_column("")
    names = {
        "miou": "mIoU", "pixel_accuracy": "pixel acc", "mean_accuracy": "mean acc", "frequency_weighted_iou": "fw IoU"
    }  # fmt: skip
    for name in names.values():
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("", ratio=1)  # as wide as the console, for the caption's sake
    for row in part["rows"]:
        numbers = [percent(row[name]) for name in names]
        shown.add_row(row["name"], *numbers, style="bold" if row["name"] == "trained" else "")
    return shown


def class_table(part: dict[str, Any]) -> Table:
    """IoU of each class, trained and input-free; two classes side by side where there are many."""
    shown = _empty("IoU per class, percent")
    classes = list(part["rows"][0]["class_iou"])
    rows = [row for row in part["rows"] if row["name"] != "untrained"]
    columns = 1 if len(classes) <= _BLOCK else 2
    height = math.ceil(len(classes) / columns)
    for _ in range(columns):
        shown.add_column("", no_wrap=True)
        for row in rows:
            shown.add_column(row["name"], justify="right", no_wrap=True)
    for line in range(height):
        cells: list[str] = []
        for place in range(columns):
            k = line + place * height
            name = classes[k] if k < len(classes) else ""
            cells.append(name[:_LONGEST] if columns > 1 else name)
            cells += [percent(row["class_iou"][name]) if name else "" for row in rows]
        shown.add_row(*cells)
    return shown


def percent(value: float | None) -> str:
    """A share from 0 to 1 in percent with one decimal; "–" where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"


def _empty(title: str, caption: str | None = None) -> Table:
    shown = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE)
    shown.padding = (0, 1, 0, 0)
    return shown
