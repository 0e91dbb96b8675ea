"""The flywheel's rounds against equal training without exchange, on toy town.

    python -m benchmarks.studies.flywheel --frames TOWN --start DEPTH_RUN --out runs/flywheel

Round 0 goes on from a depth run (stereo) and is the same for both; from then on one flywheel hands classes on to depth
as hints, the control trains as many steps without. Labels, their choice and seeds are the same in both: rows of one
seed and round are paired. With --gate rounds begin warm, carry labels and are kept only if they are not worse by labels
set aside, depth and segmentation each by itself; the column "kept" says which, and scores are on other frames
(benchmarks.studies.gate counts them). A study that is stopped goes on where it was.
"""

import argparse
import logging
import shutil
from pathlib import Path
from typing import Any

from benchmarks.studies.common import METRICS, commit, device_name, read_rows, write_rows
from benchmarks.studies.three_ways import overrides
from vergence import __version__
from vergence.flywheel.rounds import resume_flywheel, start_flywheel

RESULTS = Path(__file__).parent / "results"
KEYS = ("study", "variant", "seed", "labels", "steps")
NUMBERS = {
    "depth": (*METRICS, "border_recall"),
    "segmentation": ("miou", "pixel_accuracy"),
}


def no_page(kind: str, folder: Path) -> None:
    """Pages are for people: ``vergence report`` makes them of what stays."""


def turned(options: argparse.Namespace, seed: int, exchange: bool) -> Path:
    """A flywheel of one seed to its end; the control starts with the other's round 0."""
    folder = options.out / f"{'exchange' if exchange else 'control'}-{seed}"
    if folder.exists():
        return resume_flywheel(folder, [], no_page)
    if not exchange:
        start = options.out / f"exchange-{seed}"
        folder.mkdir(parents=True)
        for name in ("recipe.yaml", "data.parquet"):
            shutil.copy(start / name, folder)
        shutil.copytree(start / "round-0", folder / "round-0")
        return resume_flywheel(folder, ["--flywheel.exchange", "false"], no_page)
    words = overrides(
        flywheel__seed=seed, flywheel__rounds=options.rounds, flywheel__limit=options.limit,
        flywheel__label_files="false", flywheel__labels__per_round=options.labels,
        flywheel__overrides__train__evaluate_every=0,
    )  # fmt: skip
    words += overrides(**gate_words(options))
    depth = {"train.steps": options.steps, "frames.options.offsets": '["s"]', "optim.lr": 2e-4}
    depth |= {"train.checkpoint_every": 10_000}
    parts = {
        "depth": depth | {"depth.initialize_from": options.start.absolute(), "frames.batch_size": 4},
        "hinted_depth": depth
        | {"semhint.start": 0, "semhint.ramp": options.steps // 6, "semhint.beta_ramp": options.steps // 3},
        "segmentation": {"train.steps": options.classes},
    }
    for part, settings in parts.items():
        for key, value in settings.items():
            words += [f"--flywheel.{part}.overrides.{key}", str(value)]
    return start_flywheel("flywheel-toytown", folder, options.frames, words, no_page)


def gate_words(options: argparse.Namespace) -> dict[str, Any]:
    """Every round kept and begun at the full rate, as in the first study; or with carried labels, warm, and a gate."""
    if getattr(options, "gate", False):
        return {}
    return {
        "flywheel__gate__by": "none",
        "flywheel__warm_start": "false",
        "flywheel__carry__seconds": 0.0,
        "flywheel__labels__criterion": "ds",
    }


def rows_of(
    folder: Path, seed: int, variant: str, steps: dict[str, int], study: str = "rounds"
) -> dict[str, list[dict[str, Any]]]:
    """By task, one row a round: of depth its runs, of segmentation its runs (not the branch beside depth)."""
    found: dict[str, list[dict[str, Any]]] = {"depth": [], "segmentation": []}
    stamp = {"device": device_name(), "vergence": __version__, "commit": commit()}
    for row in read_rows(folder / "flywheel.csv"):
        if row["run"] != row["task"]:
            continue
        identity = {"study": study, "variant": variant, "seed": seed, "labels": row["labels"],
                    "steps": steps[row["task"]]}  # fmt: skip
        kept = {"kept": row["kept"]} if study != "rounds" else {}
        numbers = {name: round(float(row[name]), 5) for name in NUMBERS[row["task"]]}
        found[row["task"]].append(
            {**identity, "round": row["round"], **kept, **numbers, "protocol": row["stamp"], **stamp}
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="toy town")
    parser.add_argument("--start", type=Path, required=True, help="depth run that learned from stereo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--labels", type=int, default=10, help="frames labelled in each round")
    parser.add_argument("--steps", type=int, default=150, help="of depth in each round")
    parser.add_argument("--classes", type=int, default=200, help="steps of segmentation in each round")
    parser.add_argument("--limit", type=int, default=80, help="held-back frames to score")
    parser.add_argument("--gate", action="store_true", help="rounds begin warm, carry labels, and may be refused")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    steps = {"depth": options.steps, "segmentation": options.classes}
    study = "gated rounds" if options.gate else "rounds"
    for seed in options.seeds:
        folders = {"exchange": turned(options, seed, True), "without exchange": turned(options, seed, False)}
        for variant in reversed(folders):  # the control first: what differences are taken to
            for task, rows in rows_of(folders[variant], seed, variant, steps, study).items():
                write_rows(RESULTS / f"flywheel_{task}.csv", rows, KEYS)


if __name__ == "__main__":
    main()
