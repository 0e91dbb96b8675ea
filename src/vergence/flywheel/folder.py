"""The folder of a flywheel: where each round's stages lie, and what was scored."""

import contextlib
import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vergence.data.atomic import write_text
from vergence.data.rows.subsets import read_list
from vergence.data.structured import read_json
from vergence.errors import InputError
from vergence.evaluation.depth_scores import finite

JUDGED = ("depth", "segmentation")
"""Tasks, each kept or not by itself."""
STAGES = ("depth", "selection", "segmentation")
"""Each is made from the one before it, a round's first from the round before."""
_INSIDE = re.compile(r"[/\\]((?:round-\d+[/\\])?(?:data|carried)\.parquet|round-\d+[/\\](?:depth|segmentation))$")
_FIRST = ("round", "run", "task", "kept", "exchange", "recipe", "step", "labels", "images")
"""First columns of flywheel.csv; those of the metrics follow, the stamp is last."""


@dataclass(frozen=True)
class Round:
    """Files of one round."""

    run_folder: Path
    """Folder of the flywheel."""
    number: int

    @property
    def folder(self) -> Path:
        return self.run_folder / f"round-{self.number}"

    @property
    def depth(self) -> Path:
        """Run folder."""
        return self.folder / "depth"

    @property
    def selection(self) -> Path:
        """What ``vergence select`` writes; absent where the budget is spent."""
        return self.folder / "selection"

    @property
    def segmentation(self) -> Path:
        """Run folder."""
        return self.folder / "segmentation"

    @property
    def labels(self) -> Path:
        """Noisy labels of all frames, as ``vergence predict`` writes them; the next round asks the run itself."""
        return self.folder / "labels"

    @property
    def data(self) -> Path:
        """Manifest with the labels that are known in this round."""
        return self.folder / "data.parquet"

    @property
    def carried(self) -> Path:
        """The same with labels carried to other frames, to learn from; absent where none are carried."""
        return self.folder / "carried.parquet"

    @property
    def agreement(self) -> Path:
        """The same with the surest carried labels, which the gate compares predictions with where it has no others."""
        return self.folder / "agreement.parquet"

    @property
    def verdict_file(self) -> Path:
        """Which of the round's tasks are kept, and why; absent where nobody has judged them."""
        return self.folder / "gate.json"

    def verdict(self, task: str) -> dict[str, Any]:
        """What the gate said of depth or segmentation; empty where it has not, or in a damaged file: it judges again.

        Earlier versions judged rounds as a whole: such a verdict is that of both tasks, and has ``whole``.
        """
        with contextlib.suppress(InputError):
            value = read_json(self.verdict_file)
            if isinstance(value, dict) and isinstance(value.get("kept"), bool):
                return value | {"whole": True}
            part = value.get(task) if isinstance(value, dict) else None
            if isinstance(part, dict) and isinstance(part.get("kept"), bool):
                return part
        return {}

    def kept(self, task: str) -> bool:
        """Whether later rounds may go on from this one's depth or segmentation."""
        return bool(self.verdict(task).get("kept", True))

    @property
    def chosen_file(self) -> Path:
        """Images labelled so far, in the order of choice."""
        return self.folder / "labelled.json"

    def chosen(self) -> list[str]:
        """Images labelled so far; empty where the round has none yet."""
        if not self.chosen_file.is_file():
            return []
        return read_list(self.chosen_file)

    def new(self) -> list[str]:
        """Images chosen in this round."""
        file = self.selection / "selection.json"
        return read_list(file) if file.is_file() else []

    def begun(self, stage: str) -> bool:
        """Whether a stage has left anything."""
        path = self.folder / stage
        return path.is_dir() and any(path.iterdir())

    def scores(self) -> dict[str, Any]:
        """What was scored, by run: "asked" and "rows"."""
        with contextlib.suppress(InputError):
            value = read_json(self.folder / "scores.json", finite=False)
            if isinstance(value, dict):
                return value
        return {}

    def keep_scores(self, run: str, scores: dict[str, Any]) -> None:
        """Add what was scored of a run."""
        write_text(self.folder / "scores.json", json.dumps(self.scores() | {run: scores}, indent=1) + "\n")


def inside(value: Any) -> Any:
    """A path below any flywheel's folder as the path in it, as in a copy of it; other values as they are."""
    if isinstance(value, str) and (match := _INSIDE.search(value)):
        return match[1]
    return value


def score_rows(rounds: list[Round]) -> list[dict[str, Any]]:
    """Rows of ``flywheel.csv``: one for each round, run and task that was scored."""
    return [
        row | {"kept": kept}
        for one in rounds
        for run in JUDGED
        for kept in [one.kept(run)]
        for row in one.scores().get(run, {}).get("rows", [])
    ]


def rows_of(result: Mapping[str, Any], first: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of ``flywheel.csv`` of one evaluation: the trained model's numbers by task, each with its stamp."""
    rows = []
    for task, part in (("depth", result), ("segmentation", result.get("segmentation"))):
        row = next((row for row in (part or {}).get("rows", []) if row["name"] == "trained"), None)
        if part is not None and row is not None:
            numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
            counts = {"task": task, "step": result["step"], "images": part["images"]}
            rows.append({**first, **counts, **numbers, "stamp": part["stamp"]})
    return [dict(finite(row)) for row in rows]


def write_scores(run_folder: Path, rounds: list[Round]) -> Path:
    """Write ``flywheel.csv``."""
    rows = score_rows(rounds)
    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = [*_FIRST, *(name for name in names if name not in (*_FIRST, "stamp")), "stamp"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(run_folder / "flywheel.csv", buffer.getvalue())


def check_order(rounds: list[Round]) -> None:
    """InputError where a stage is missing and one that was made from it is there."""
    missing: Path | None = None
    for one in rounds:
        for stage in STAGES:
            if stage == "selection" and not one.begun(stage) and one.chosen_file.is_file():
                continue  # no label was left for this round
            if not one.begun(stage):
                missing = missing or one.folder / stage
            elif missing is not None:
                raise InputError(
                    f"{missing} is missing, and {one.folder / stage}, which was made after it, is there; remove what "
                    "was made after it as well."
                )
