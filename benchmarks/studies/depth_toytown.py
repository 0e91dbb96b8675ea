"""Depth learned in toy town, scored on exact depth of streets it has never seen.

    python benchmarks/studies/depth_toytown.py --out runs/toytown

Mono alone must beat the best answer that ignores the picture; mono with stereo shows what a known baseline adds. One
run a variant and seed; a study that is stopped goes on where it was.
"""

import argparse
import logging
from pathlib import Path

from benchmarks.studies.common import score, summary, trained, write_rows
from vergence.data.toytown import TownOptions, write_toytown

VARIANTS = {
    "mono": ["--frames.options.offsets", "[-1, 1]"],
    "mono+stereo": ["--frames.options.offsets", '[-1, 1, "s"]'],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/toytown"))
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "depth_toytown.csv")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=2400)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    town = write_toytown(options.out / "town", TownOptions(seed=1), {"train": 48, "val": 8}, frames=40)
    rows = []
    for seed in options.seeds:
        for name in options.variants:
            steps = ["--train.seed", str(seed), "--train.steps", str(options.steps), "--train.evaluate_every", "0"]
            run = trained("depth-toytown", [*VARIANTS[name], *steps], town, options.out / f"{name}-{seed}")
            identity = {"variant": name, "seed": seed, "steps": options.steps}
            rows += score(run, town, ("plain",), identity, split="val")
            write_rows(options.csv, rows, ("variant", "seed", "steps", "predictor", "protocol"))
    print(summary(rows, ("protocol", "variant", "predictor")))


if __name__ == "__main__":
    main()
