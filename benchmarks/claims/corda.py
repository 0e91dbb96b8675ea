"""Does depth help labels of one domain to serve another?"""

import shutil

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, class_numbers, finished, segmented
from benchmarks.studies.corda_maps import rank_errors
from benchmarks.studies.three_ways import overrides

STEPS, LIMIT = 600, 100
SIZE = {"frames__options__height": 64, "frames__options__width": 128}
PLAIN = {"corda__depth": "false", "corda__difficulty": "off", "network__variant": "dacs"}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Labels of the clear town, frames of the town at dusk; depth of both from one run."""
    words = {
        "train__steps": STEPS, "train__checkpoint_every": 250, "corda__teacher_decay": 0.99,
        "frames__source_domain": lab.town, **SIZE,
    }  # fmt: skip
    if variant.startswith("all"):  # labels of the target itself: how much there is to gain
        words = {
            "train__steps": STEPS, "frames__labelled__count": "null", "frames__options__random_crop": "null", **SIZE,
        }  # fmt: skip
        job = RecipeRun("supervised-toytown", overrides(**words), lab.dusk)
        return segmented(lab.run(f"corda-all-{seed}"), job, seed, LIMIT)
    if variant == "CorDA":
        words |= {"corda__source_depth": lab.depth, "corda__target_depth": lab.depth, "corda__align_depth": "none"}
    else:
        words |= PLAIN | ({"corda__adapt": "false"} if variant == "source only" else {})
    job = RecipeRun("corda-toytown", overrides(**words), lab.dusk)
    folder = finished(lab.run(f"corda-{variant}-{seed}"), job, seed)
    numbers = class_numbers(folder, lab.dusk, LIMIT)
    if variant == "CorDA":  # does the disagreement of the decoders find wrong pseudo-labels better than confidence?
        numbers |= {key: float(value) for key, value in rank_errors(folder, lab.dusk, 40).items()}
    shutil.rmtree(folder)
    return numbers


CLAIM = Claim(
    name="corda",
    says="With depth (CorDA), labels of one domain serve another better than with mixing alone (DACS), and that better "
    "than without adaptation.",
    setup=f"""Labels of toy town by day, frames of other streets at dusk (recipe corda-toytown, {STEPS} steps of four
    and four frames of 128x64, teacher decay 0.99); depth of both domains from one run on the day's video. {LIMIT}
    frames at dusk judge. Beside: AUROC of difficulty and of the teacher's confidence for wrong pseudo-labels.""",
    variants=("source only", "DACS", "CorDA"),
    comparisons=(Comparison("CorDA", "DACS"), Comparison("DACS", "source only")),
    seeds=8,
    run=run,
    seconds=220,
    preparation=400,
    few="source only",
    full="all labels of the target",
)
