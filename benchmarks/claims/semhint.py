"""Do hints from noisy semantics make depth of one camera better?"""

import shutil

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, depth_numbers, finished
from benchmarks.studies.three_ways import overrides

STEPS, START, FEW, LABEL_STEPS = 2000, 600, 30, 400
ALONE = {"semhint__segmentation": "false", "semhint__hints": "false", "semhint__refine": "false"}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Depth from one camera, alone or with hints of a segmentation that saw 30 labels."""
    words: dict[str, object] = {
        "train__steps": STEPS, "train__checkpoint_every": 250, "semhint__start": START,
        "frames__options__offsets": "[-1, 1]",
    }  # fmt: skip
    if variant == "depth alone":
        words |= ALONE
    else:
        noisy = RecipeRun(
            "supervised-toytown", overrides(train__steps=LABEL_STEPS, frames__labelled__count=FEW), lab.town
        )
        labels = "truth"
        if variant != "hints of true labels":
            labels = str(finished(lab.run(f"semhint-labels-{seed}"), noisy, seed))
        words |= {"semhint__labels": labels}
    job = RecipeRun("semhint-toytown", overrides(**words), lab.town)
    folder = finished(lab.run(f"semhint-{variant}-{seed}"), job, seed)
    numbers = depth_numbers(folder, lab.town, limit=100, scale="median")
    shutil.rmtree(folder)
    return numbers


CLAIM = Claim(
    name="semhint",
    says="Hints from noisy semantics (SemHint-MD) make depth learned from one camera better.",
    setup=f"""Toy town, one camera, recipe semhint-toytown, {STEPS} steps, hints from step {START} on, by a
    segmentation that saw {FEW} labelled frames; the control is the same without hints and branch.
    abs_rel with median scaling over all pixels of 100 frames of other streets, and on walls and
    buildings, where hints are given.""",
    variants=("depth alone", "hints", "hints of true labels"),
    comparisons=(
        Comparison("hints", "depth alone", "abs_rel", lower=True),
        Comparison("hints", "depth alone", "abs_rel wall", lower=True),
        Comparison("hints", "depth alone", "abs_rel building", lower=True),
        Comparison("hints of true labels", "depth alone", "abs_rel", lower=True),
    ),
    deciding=1,
    seeds=8,
    run=run,
    seconds=1500,
)
