"""Values of a run folder's files in the kinds that pages show, whoever has edited the files; the rest is left out."""

import math
from typing import Any

_LARGEST = 1e300
"""No step, loss or score comes near it."""


def sound(value: Any) -> Any:
    """A value of JSON or YAML in plain kinds; numbers that are infinite or beyond all use become NaN."""
    if isinstance(value, dict):
        return {str(key): sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sound(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if abs(value) < _LARGEST and math.isfinite(value) else math.nan
    return value if isinstance(value, str | bool) or value is None else str(value)


def is_record(record: dict[str, Any]) -> bool:
    """Whether a line's step is a number and its kind a word, where it has them."""
    return is_number(record.get("step", 0)) and isinstance(record.get("kind", ""), str)


def is_number(value: Any) -> bool:
    """Whether a sound value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def sections(value: Any) -> dict[str, Any]:
    """The sections of a recipe, its name and its method."""
    kinds = {"recipe": str, "method": str}
    recipe = sound(value) if isinstance(value, dict) else {}
    return {name: item for name, item in recipe.items() if isinstance(item, kinds.get(name, dict))}


def evaluation(value: Any) -> dict[str, Any] | None:
    """An evaluation whose parts are of the kinds that tables show, or None where it has no rows."""
    value = sound(value)
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
        return None
    step, classes, odometry = value.get("step"), value.get("segmentation"), value.get("odometry")
    result = value | {"rows": _rows(value["rows"]), "step": step if is_number(step) else 0}
    result["segmentation"] = result["odometry"] = None
    if isinstance(classes, dict):
        rows = [row | {"class_iou": mapping(row.get("class_iou"))} for row in _rows(classes.get("rows"))]
        result["segmentation"] = classes | {"rows": rows}
    if isinstance(odometry, dict):
        result["odometry"] = odometry | {"sequences": _rows(odometry.get("sequences"))}
    return result


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _rows(value: Any) -> list[dict[str, Any]]:
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    return [row | ({"name": "" if row["name"] is None else str(row["name"])} if "name" in row else {}) for row in rows]
