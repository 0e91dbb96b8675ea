"""Do hints from noisy semantics make depth of one camera better?"""

from pathlib import Path

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, estimated, finished
from benchmarks.studies.three_ways import overrides

ALONE_STEPS, STEPS, FEW, LABEL_STEPS = 1500, 500, 30, 300
SIZE = {"frames__options__height": 64, "frames__options__width": 128}
SMALL = "hints at half the size"
ALONE = {"semhint__segmentation": "false", "semhint__hints": "false", "semhint__refine": "false"}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Depth from one camera, alone or with hints of a segmentation that saw 30 labels."""
    words: dict[str, object] = {
        "train__steps": STEPS, "train__checkpoint_every": 250, "frames__options__offsets": "[-1, 1]", **SIZE,
        "semhint__initialize_from": _start(lab), "semhint__start": 0, "semhint__ramp": 100, "semhint__beta_ramp": 200,
    }  # fmt: skip
    if variant == "depth alone":
        words |= ALONE
    else:
        few = overrides(
            train__steps=LABEL_STEPS, frames__labelled__count=FEW, frames__options__random_crop="null", **SIZE
        )
        noisy = RecipeRun("supervised-toytown", few, lab.town)
        labels = "truth"
        if variant != "hints of true labels":
            labels = str(finished(lab.run(f"semhint-labels-{seed}"), noisy, seed))
        words |= {"semhint__labels": labels, "semhint__hint_every": 2 if variant == "hints, every other step" else 1,
                  "semhint__hint_downsample": 2 if variant == SMALL else 1}  # fmt: skip
    job = RecipeRun("semhint-toytown", overrides(**words), lab.town)
    return estimated(lab.run(f"semhint-{variant}-{seed}"), job, seed, limit=100)


def _start(lab: Lab) -> Path:
    """Depth of one camera that all variants of all seeds go on from."""
    words = overrides(
        train__steps=ALONE_STEPS, train__checkpoint_every=250, frames__batch_size=4, optim__lr=3e-4, **SIZE
    )
    return finished(lab.run("semhint-start"), RecipeRun("depth-toytown", words, lab.town), seed=0)


CLAIM = Claim(
    name="semhint",
    says="Hints from noisy semantics (SemHint-MD) make depth learned from one camera better.",
    setup=f"""Toy town, one camera, frames of 128x64, recipe semhint-toytown: all seeds and variants go on for {STEPS}
    steps from one run of {ALONE_STEPS:,} steps of depth alone. Hints are of a segmentation that saw {FEW} labelled
    frames drawn by the seed; the control is the same without hints and branch. abs_rel with median scaling over all
    pixels of 100 frames of other streets, and on walls and buildings, where hints are given.""",
    variants=("depth alone", "hints", "hints, every other step", "hints of true labels"),
    comparisons=(
        Comparison("hints", "depth alone", "abs_rel", lower=True),
        Comparison("hints", "depth alone", "abs_rel wall", lower=True),
        Comparison("hints", "depth alone", "abs_rel building", lower=True),
        Comparison("hints of true labels", "depth alone", "abs_rel", lower=True),
        Comparison("hints, every other step", "hints", "abs_rel", lower=True),
    ),
    deciding=1,
    seeds=8,
    run=run,
    seconds=260,
    preparation=600,
)

HALF_SIZE = Claim(
    name="semhint_half_size",
    says="Hints looked for at half the size (semhint.hint_downsample) help depth as much as those at full size.",
    setup="""The set-up of claim semhint, with a start of its own. Half the size is 64x32 here; as much: abs_rel is not
    worse by 0.3 points.""",
    variants=("hints", SMALL, "depth alone"),
    comparisons=(
        Comparison(SMALL, "hints", "abs_rel", lower=True, margin=0.003),
        Comparison(SMALL, "depth alone", "abs_rel", lower=True),
        Comparison("hints", "depth alone", "abs_rel", lower=True),
    ),
    deciding=1,
    seeds=8,
    run=run,
    seconds=130,
    preparation=400,
)
