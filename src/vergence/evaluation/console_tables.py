"""An evaluation as tables for an 80-column console; all that the numbers depend on stands in their captions."""

import math
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from vergence.errors import printable
from vergence.metrics.depth import DEPTH_METRICS

_BLOCK = 10
"""Classes below each other before a second column of classes starts."""
_LONGEST = 13
"""Letters of a class that are shown where two columns of classes stand side by side."""


def tables(result: dict[str, Any]) -> list[Table]:
    """Everything that an evaluation found, one table each: segmentation, its classes, depth, odometry."""
    result_tables = []
    if "segmentation" in result:
        result_tables += [segmentation_table(result["segmentation"]), class_table(result["segmentation"])]
    if result["rows"]:
        result_tables.append(depth_table(result))
        if any("class_abs_rel" in row for row in result["rows"]):
            result_tables.append(region_table(result["rows"]))
    if "odometry" in result:
        result_tables.append(odometry_table(result["odometry"]))
    return result_tables


def segmentation_table(part: dict[str, Any]) -> Table:
    """Numbers over all classes, in percent."""
    grid = _empty("Segmentation, percent", part["stamp"])
    grid.expand = True
    grid.add_column("")
    names = {
        "miou": "mIoU", "pixel_accuracy": "pixel acc", "mean_accuracy": "mean acc", "frequency_weighted_iou": "fw IoU"
    }  # fmt: skip
    for name in names.values():
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("", ratio=1)  # as wide as the console, for the caption's sake
    for row in part["rows"]:
        numbers = [percent(row[name]) for name in names]
        grid.add_row(words(row["name"]), *numbers, style="bold" if row["name"] == "trained" else "")
    return grid


def class_table(part: dict[str, Any]) -> Table:
    """IoU of each class, trained and input-free; two classes side by side where there are many."""
    rows = [row for row in part["rows"] if row["name"] != "untrained"]
    lines = {name: [percent(row["class_iou"][name]) for row in rows] for name in part["rows"][0]["class_iou"]}
    return _side_by_side("IoU per class, percent", [row["name"] for row in rows], lines)


def depth_table(result: dict[str, Any]) -> Table:
    """Errors of depth, one row a predictor."""
    grid = _empty("Depth", result["stamp"])
    grid.add_column("")
    for name in (*DEPTH_METRICS, "scale"):
        grid.add_column(name, justify="right", no_wrap=True)
    for row in result["rows"]:
        numbers = [f"{row[name]:.3f}" if row[name] < 100 else f"{row[name]:.1f}" for name in DEPTH_METRICS]
        scale = f"{row['scale_median']:.3g} ±{row['scale_std']:.0%}"
        grid.add_row(words(row["name"]), *numbers, scale, style="bold" if row["name"] == "trained" else "")
    return grid


def region_table(rows: list[dict[str, Any]]) -> Table:
    """Depth at borders of objects, and its abs_rel by class, trained and input-free."""
    rows = [row for row in rows if row["name"] != "untrained" and "class_abs_rel" in row]
    lines = {}
    if any("border_distance" in row for row in rows):
        lines["borders, px"] = [f"{row['border_distance']:.2f}" for row in rows]
        lines["within 3 px"] = [percent(row["border_recall"]) + "%" for row in rows]
    for name, pixels in rows[0]["class_pixels"].items():
        if pixels:
            lines[name] = [f"{row['class_abs_rel'][name]:.3f}" for row in rows]
    if any("sky_near" in row for row in rows):
        lines["sky is near"] = [percent(row["sky_near"]) + "%" for row in rows]
    title = "Depth: distance of object borders to edges of depth; abs_rel per class"
    return _side_by_side(title, [row["name"] for row in rows], lines)


def odometry_table(odometry: dict[str, Any]) -> Table:
    """Errors of the pose network, one row a sequence."""
    grid = _empty("Odometry", odometry["stamp"])
    grid.padding = (0, 1)
    columns = ("ate_sfmlearner", "t_err", "r_err", "ate_aligned", "frames")
    grid.add_column("")
    for name in columns:
        grid.add_column(name, justify="right")
    for row in odometry["sequences"]:
        numbers = [f"{row[name]:.4g}" if row.get(name) is not None else "–" for name in columns]
        grid.add_row(words(row["sequence"]), *numbers)
    return grid


def _side_by_side(title: str, names: list[str], lines: dict[str, list[str]]) -> Table:
    """Lines by name, in two columns where there are many."""
    grid = _empty(title)
    listed = list(lines)
    columns = 1 if len(listed) <= _BLOCK else 2
    height = math.ceil(len(listed) / columns)
    for _ in range(columns):
        grid.add_column("", no_wrap=True)
        for name in names:
            grid.add_column(words(name), justify="right", no_wrap=True)
    for line in range(height):
        cells: list[Text | str] = []
        for column in range(columns):
            k = line + column * height
            name = listed[k] if k < len(listed) else ""
            cells.append(words(name[:_LONGEST] if columns > 1 else name))
            cells += lines[name] if name else [""] * len(names)
        grid.add_row(*cells)
    return grid


def words(text: object, style: str = "") -> Text:
    """A cell of a table that shows any name as it is: no markup, no escapes."""
    return Text(printable(text), style)


def percent(value: float | None) -> str:
    """A share from 0 to 1 in percent with one decimal; "–" where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"


def _empty(title: str, caption: str | None = None) -> Table:
    note = None if caption is None else words(caption, "table.caption")
    grid = Table(title=title, caption=note, title_justify="left", caption_justify="left", box=SIMPLE)
    grid.padding = (0, 1, 0, 0)
    return grid
