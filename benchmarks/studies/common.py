"""What studies share: train a variant (or go on with it), score it, keep rows that say all a number depends on."""

import csv
import platform
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from vergence import __version__
from vergence.data.atomic import writing
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import load_config
from vergence.training.train import train

METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")


def commit() -> str:
    """The checked-out commit, marked where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"


def device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()} CPU, {torch.get_num_threads()} threads"


def wanted(options: Any, study: str, variant: str) -> bool:
    """Whether ``--studies`` and ``--variants`` leave a run in."""
    return (not options.studies or study in options.studies) and (not options.variants or variant in options.variants)


def trained(recipe: str, overrides: Sequence[str], data: Path, run: Path) -> Path:
    """Train into ``run``, or go on where an earlier call stopped; a finished run is returned as it is."""
    config = load_config(recipe, overrides, data)
    return train(config, run, resume=(run / "recipe.yaml").is_file())


def score(
    run: Path, data: Path, protocols: Iterable[str], identity: dict[str, Any], split: str
) -> list[dict[str, Any]]:
    """One row a protocol and predictor (trained, input_free, untrained)."""
    rows = []
    for protocol in protocols:
        result = evaluate(run, data, Scoring(protocol), split)
        stamp = {
            "protocol": result["protocol"],
            "size": result["size"],
            "images": result["images"],
            "data": result["data"],
            "step": result["step"],
            "device": device_name(),
            "vergence": __version__,
            "commit": commit(),
        }
        for row in result["rows"]:
            numbers = {name: round(float(row[name]), 5) for name in METRICS}
            rows.append({**identity, "predictor": row["name"], **numbers, **stamp})
    return rows


def labelled_rows(run: LoadedRun | Path, data: Path, **options: Any) -> list[dict[str, Any]]:
    """One row for the trained network of a segmentation run: mIoU and what it depends on."""
    result = evaluate(run, data, Scoring(baselines=False, **options))["segmentation"]
    (row,) = [row for row in result["rows"] if row["name"] == "trained"]
    numbers = {name: round(float(row[name]), 5) for name in ("miou", "pixel_accuracy")}
    stamp = result["stamp"].replace(f"{Path.cwd()}/", "")  # a list of frames is named by its path
    return [{**numbers, "protocol": stamp, "device": device_name(), "vergence": __version__,
             "commit": commit()}]  # fmt: skip


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file, none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def image_rows(path: Path, predictor: str = "trained") -> list[dict[str, str]]:
    """Scores of each picture, in the order of their names, from a file that ``evaluate`` made picture by picture."""
    return sorted((row for row in read_rows(path) if row["name"] == predictor), key=lambda row: row["image"])


def write_rows(path: Path, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> None:
    """Add rows to a CSV file; earlier rows with the same values of ``keys`` are replaced."""
    old = read_rows(path)
    fresh = {tuple(str(row[key]) for key in keys) for row in rows}
    kept = [row for row in old if tuple(row[key] for key in keys) not in fresh]
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(key for row in [*kept, *rows] for key in row))
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows([*kept, *rows])


def summary(rows: Sequence[dict[str, Any]], by: Sequence[str], metric: str = "abs_rel") -> str:
    """Mean and standard deviation over seeds, a line a group."""
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in rows:
        groups[tuple(str(row[key]) for key in by)].append(float(row[metric]))
    lines = []
    for group, values in groups.items():
        spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
        lines.append(f"{'  '.join(group):50} {metric} {statistics.mean(values):.4f}{spread}  (n={len(values)})")
    return "\n".join(lines)


def paired_summary(rows: Sequence[dict[str, Any]], by: Sequence[str], metric: str) -> str:
    """Mean and deviation over seeds, and the paired difference to the first variant of each group, a line a variant."""
    values: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for row in rows:
        values[tuple(str(row[key]) for key in by)][str(row["seed"])] = float(row[metric])
    first: dict[tuple[str, ...], dict[str, float]] = {}
    lines = []
    for group, seeds in values.items():
        reference = first.setdefault(group[:-1], seeds)
        differences = [value - reference[seed] for seed, value in seeds.items() if seed in reference]
        mean = statistics.mean(seeds.values())
        spread = f" ± {statistics.stdev(seeds.values()):.4f}" if len(seeds) > 1 else ""
        paired = ""
        if seeds is not reference and differences:
            paired = f"  {statistics.mean(differences):+.4f}"
            paired += f" ± {statistics.stdev(differences):.4f}" if len(differences) > 1 else ""
        lines.append(f"{'  '.join(group):50} {metric} {mean:.4f}{spread}{paired}  (n={len(seeds)})")
    return "\n".join(lines)
