"""Label Studio's export of brush masks as PNG, one file for each region, named after task, annotation and class."""

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vergence.data.annotation import brush
from vergence.data.annotation.formats import Annotations, Label, Problems, check_size
from vergence.data.annotation.label_studio_tasks import CONFIG, class_id_of, dicts, frame_of
from vergence.data.batch import IGNORED_LABEL
from vergence.data.pictures import open_picture
from vergence.data.structured import read_xml
from vergence.errors import InputError

_log = logging.getLogger("vergence")
PICTURES = "**/task-*-annotation-*.png"


def read_pictures(
    export: Path,
    pictures: Sequence[Path],
    tasks: Sequence[dict[str, Any]],
    known: Sequence[str],
    into: Annotations,
    problems: Problems,
) -> None:
    """Enter the PNG export: ``task-T-annotation-A-by-USER-CONTROL-CLASS-N.png``, white where the class is."""
    names = {str(task["id"]): frame_of(task) for task in tasks if "id" in task}
    if not names:
        raise InputError(
            f"{export} has PNG files of tasks, which do not name their images; export the project as JSON too and put "
            "the file beside them."
        )
    controls = _controls(export, tasks)
    groups: dict[str, dict[str, list[tuple[int, Path]]]] = {}
    for path in pictures:
        parts = re.fullmatch(r"task-(\d+)-annotation-(\d+)-by-[^-]*-(.+)-\d+", path.stem)
        word = _class_of(parts[3], controls, known) if parts else None
        name = names.get(parts[1]) if parts else None
        if parts is None or word is None or name is None:
            reason = "is not named like task-1-annotation-1-by-1-tag-CLASS-0.png" if word is None else (
                "is of a task that the JSON file does not have, or has without image"
            )  # fmt: skip
            problems.add(f"{path} {reason}")
            continue
        groups.setdefault(name, {}).setdefault(parts[2], []).append((class_id_of(word, into), path))
    for name, annotations in groups.items():
        if len(annotations) > 1:
            problems.add(f"{name} has {len(annotations)} annotations; keep one")
        first = next(iter(annotations.values()))

        def load(size: tuple[int, int], layers: list[tuple[int, Path]] = first) -> Label:
            label, covered = np.full(size, IGNORED_LABEL, dtype=np.uint8), 0
            for class_id, path in layers:
                layer = np.array(open_picture(path).convert("L"))
                check_size(layer, size, str(path))
                covered += int(((layer >= brush.OPAQUE) & (label != IGNORED_LABEL) & (label != class_id)).sum())
                label[layer >= brush.OPAQUE] = class_id
            if covered:
                _log.warning(
                    "%s and others: %d pixels have several classes, of which the last file by name counts; the JSON "
                    "export knows which is on top",
                    layers[0][1],
                    covered,
                )
            return label

        into.masks[name] = load


def _controls(export: Path, tasks: Sequence[dict[str, Any]]) -> set[str]:
    """Names of the brushes of a project: they stand in the names of its PNG files."""
    regions = (region for task in tasks for one in dicts(task["annotations"]) for region in dicts(one.get("result")))
    names = {str(region.get("from_name")) for region in regions if region.get("type") == "brushlabels"}
    if (export / CONFIG).is_file():
        names |= {str(node.get("name")) for node in read_xml(export / CONFIG).iter("BrushLabels")}
    return names or {"tag"}


def _class_of(words: str, controls: Iterable[str], known: Sequence[str]) -> str | None:
    """The class in ``CONTROL-CLASS``; slashes in a class became hyphens."""
    for control in sorted(controls, key=len, reverse=True):
        if words.startswith(f"{control}-"):
            word = words.removeprefix(f"{control}-")
            return next((name for name in known if re.sub(r"[/\\]", "-", name) == word), word)
    return None
