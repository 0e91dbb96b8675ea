"""Runs of whole recipes for claims: trained (or gone on with), scored, and only the numbers kept."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims.claim import Numbers
from benchmarks.studies.common import trained
from benchmarks.studies.three_ways import overrides
from vergence.data.manifest import Manifest
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.runs.config import load_config
from vergence.training.run_chain import is_finished


@dataclass(frozen=True)
class RecipeRun:
    """A recipe with settings on some data."""

    recipe: str
    words: Sequence[str]
    data: Path
    judge: Path | None = None
    """What is scored on; default the same."""


@contextlib.contextmanager
def alone(made: Path) -> Iterator[None]:
    """While one process makes a file or folder that several want, the others wait; the system frees who died."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name(f".{made.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def finished(folder: Path, run: RecipeRun, seed: int) -> Path:
    """The folder of a run that was trained to its end, now or before; a stopped one goes on."""
    common = overrides(train__seed=seed, train__evaluate_every=0, train__keep=1, frames__workers=0)
    with alone(folder):
        if (folder / "recipe.yaml").is_file() and is_finished(folder, load_config(folder / "recipe.yaml")):
            return folder
        return trained(run.recipe, [*common, *run.words], run.data, folder)


def segmented(folder: Path, run: RecipeRun, seed: int, limit: int | None = None) -> Numbers:
    """Class scores of a run, whose folder is then removed."""
    finished(folder, run, seed)
    found = class_numbers(folder, run.judge or run.data, limit)
    shutil.rmtree(folder)
    return found


def estimated(folder: Path, run: RecipeRun, seed: int, limit: int) -> Numbers:
    """Depth scores of a run after median scaling, whose folder is then removed."""
    finished(folder, run, seed)
    found = depth_numbers(folder, run.data, limit, scale="median")
    shutil.rmtree(folder)
    return found


def class_numbers(folder: Path, data: Manifest | Path, limit: int | None = None) -> Numbers:
    """mIoU over classes that the labels have, right pixels, IoU of each class."""
    (row,) = [
        row
        for row in evaluate(folder, data, Scoring(baselines=False, limit=limit))["segmentation"]["rows"]
        if row["name"] == "trained"
    ]
    numbers: Numbers = {"miou": float(row["miou"]), "pixel_accuracy": float(row["pixel_accuracy"])}
    return numbers | {f"iou {name}": float(value) for name, value in row["class_iou"].items() if value == value}


def depth_numbers(folder: Path, data: Path, limit: int | None = None, scale: str | None = None) -> Numbers:
    """Depth scores, and abs_rel of each class where the truth has labels."""
    rows = evaluate(folder, data, Scoring("plain", baselines=False, limit=limit, scale=scale))["rows"]
    (row,) = [row for row in rows if row["name"] == "trained"]
    numbers: Numbers = {name: float(row[name]) for name in ("abs_rel", "rmse", "a1")}
    return numbers | {f"abs_rel {name}": float(value) for name, value in row.get("class_abs_rel", {}).items()}
