"""Do rounds of depth and semantics gain anything over as much training without exchange?"""

import argparse
import shutil

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.studies.common import read_rows
from benchmarks.studies.flywheel import turned

ROUNDS, LABELS, STEPS, CLASSES = 4, 10, 150, 400


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Four rounds; the control trains as many steps in each without exchange, from the same first round."""
    options = argparse.Namespace(
        out=lab.out / "runs" / "flywheel", frames=lab.town, start=lab.depth, rounds=ROUNDS, labels=LABELS, steps=STEPS,
        classes=CLASSES, limit=80,
    )  # fmt: skip
    turned(options, seed, exchange=True)
    folder = turned(options, seed, exchange=False) if variant == "no exchange" else options.out / f"exchange-{seed}"
    numbers: Numbers = {}
    for row in read_rows(folder / "flywheel.csv"):
        if row["run"] == row["task"]:
            names = ("abs_rel",) if row["task"] == "depth" else ("miou", "pixel_accuracy")
            numbers |= {f"{name} round {row['round']}": float(row[name]) for name in names}
            numbers |= {name: float(row[name]) for name in names}  # the last round's
    if variant == "no exchange":
        shutil.rmtree(folder)
        shutil.rmtree(options.out / f"exchange-{seed}")
    return numbers


CLAIM = Claim(
    name="flywheel",
    says="Rounds in which depth and semantics hand on what they know gain more than as much training without exchange.",
    setup=f"""Toy town, {ROUNDS} rounds, {LABELS} more labels in each, {STEPS} steps of depth and {CLASSES} of
    segmentation a round. The control starts from the same first round and hands nothing on. (Carried
    labels and the gate that keeps a round only if it is not worse are not in this set-up yet.)""",
    variants=("exchange", "no exchange"),
    comparisons=(
        Comparison("exchange", "no exchange"),
        Comparison("exchange", "no exchange", "abs_rel", lower=True),
    ),
    seeds=8,
    run=run,
    seconds=1200,
    preparation=400,
)
