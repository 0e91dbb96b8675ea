"""What a run folder says about the run, read without loading it: log, recipe, evaluations, and some of it in words."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vergence.data.structured import read_json, read_json_lines, read_yaml
from vergence.errors import InputError
from vergence.runs.config import stored_section
from vergence.runs.folder import RunFolder
from vergence.runs.labelled import labelled_of
from vergence.runs.migrations import migrated

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


Record = Mapping[str, Any]
_UNSCALED = "depth unscaled: right up to one unknown factor"


def read_records(path: Path | str) -> list[dict[str, Any]]:
    """Rows of a log; a half-written or broken line is left out. Empty where there is no file.

    A run that was resumed from an earlier step repeats steps: the later line of one step and kind counts.
    """
    try:
        readable = [record for line in read_json_lines(path) if is_record(record := sound(line))]
    except InputError:
        return []
    records: dict[Any, dict[str, Any]] = {}
    for number, record in enumerate(readable):
        event = record.get("kind") == "event" or "step" not in record
        key = ("event", number) if event else (str(record.get("kind")), str(record["step"]))
        records.pop(key, None)  # a repeated step moves to its later place
        records[key] = record
    return list(records.values())


def stored_settings(folder: Path) -> dict[str, Any]:
    """All settings of a run as plain values; empty where they are absent or broken."""
    try:
        values = read_yaml(RunFolder(folder).recipe)
        return sections(migrated(values, str(folder))) if isinstance(values, dict) else {}
    except InputError:
        return {}


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """Evaluations of the run, newest weights first; broken files are left out."""
    evaluations = []
    for path in RunFolder(folder).evaluations():
        try:
            value = evaluation(read_json(path, finite=False))
        except InputError:
            continue
        if value is not None:
            evaluations.append(value)
    return sorted(evaluations, key=lambda value: -value["step"])


def last_step(folder: Path, records: Sequence[Record]) -> int:
    """The largest step that was logged or saved."""
    steps = [int(record["step"]) for record in records if isinstance(record.get("step"), int | float)]
    return max([*steps, *(checkpoint.step for checkpoint in RunFolder(folder).checkpoints())], default=0)


def best_checkpoint(folder: Path) -> str:
    """Which checkpoint was worth the most on held-back frames; "" where none was evaluated."""
    checkpoints = RunFolder(folder).by_score()
    return f"step {checkpoints[0].step}, {checkpoints[0].score}" if checkpoints else ""


def recipe_warnings(config: Mapping[str, Any]) -> list[str]:
    """What the recipe says that a reader of the numbers should know."""
    section, warnings = stored_section(config), []
    if section is not None and not section.starts_from:
        warnings += [
            f"The {name} network started from random weights (weights: none): pretrained ones teach faster."
            for name, network in section.networks.items()
            if network.weights == "none"
        ]
    if setting(config, "frames", "options", "legacy_intrinsics"):
        warnings.append(
            "legacy_intrinsics is on: cameras are wrong in the way the official Three Ways program has them."
        )
    return warnings


def logged_warnings(records: Sequence[Record]) -> list[str]:
    """Messages of warning events in the log, each once."""
    warnings: dict[str, None] = {}
    for record in records:
        level = str(record.get("level") or record.get("event") or "").lower()
        text = record.get("message") or record.get("warning")
        if record.get("kind") == "event" and text and (level.startswith(("warn", "error")) or "warning" in record):
            warnings[str(text)] = None
    return list(warnings)


def labelled_frames(records: Sequence[Record]) -> str:
    """Which labels a run was trained with, in words and as a digest; "" where its log does not say."""
    labelled = labelled_of(records)
    return "" if labelled is None else labelled.words


def setting(config: Mapping[str, Any], *keys: str) -> Any:
    """A nested value of a recipe, or None."""
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def predicts_depth(config: Mapping[str, Any]) -> bool:
    """Whether the method of a recipe predicts depth; assumed where the recipe does not name a known one."""
    section = stored_section(config)
    return section is None or "depth" in section.tasks


def scale_status(offsets: Any, metres_per_unit: float | None = None) -> str:
    """What the numbers of a depth map mean, in words."""
    if not isinstance(offsets, list | tuple) or "s" not in offsets:
        return _UNSCALED
    unit = f" ({metres_per_unit:g} m a unit)" if metres_per_unit else ""
    return f"depth in metres, from the stereo baseline{unit}"
