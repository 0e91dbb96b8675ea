"""Does mixing by depth teach more than mixing by class, that more than boxes, and these more than nothing?"""

import shutil

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, class_numbers, finished, segmented
from benchmarks.studies.three_ways import overrides

FEW, WARM, STEPS, LIMIT = 10, 1000, 1500, 120
MIXES = {
    "mean teacher": ("none", ""),
    "CutMix": ("cutmix", ""),
    "ClassMix": ("classmix", ""),
    "DepthMix": ("depthmix", "run"),
    "DepthMix, true depth": ("depthmix", "truth"),
}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Self-training from the seed's warm start, or as many steps of labels alone."""
    if variant.startswith("all"):
        words = overrides(**_common(WARM + STEPS), frames__labelled__count="null")
        return segmented(lab, RecipeRun("supervised-toytown", words, lab.town), f"mixing-all-{seed}", seed, LIMIT)
    warm = finished(lab, RecipeRun("supervised-toytown", overrides(**_common(WARM), frames__labelled__count=FEW),
                                   lab.town), f"mixing-warm-{seed}", seed)  # fmt: skip
    if variant == "labels alone":
        words = overrides(**_common(STEPS), frames__labelled__count=FEW, supervised__initialize_from=warm)
        return segmented(lab, RecipeRun("supervised-toytown", words, lab.town), f"mixing-{variant}-{seed}", seed, LIMIT)
    mix, depth = MIXES[variant]
    port = {"run": str(lab.depth), "truth": "truth", "": ""}[depth]
    words = overrides(
        **_common(STEPS), frames__labelled__count=FEW, three_ways__initialize_from=warm,
        three_ways__initialize_parts="[encoder, decoder]", three_ways__start=1, three_ways__ramp=0,
        three_ways__consistency__mix=mix, three_ways__depth=port,
    )  # fmt: skip
    name = f"mixing-{variant.replace(',', '')}-{seed}"
    folder = finished(lab, RecipeRun("three_ways-toytown-staged", words, lab.town), name, seed)
    numbers = class_numbers(folder, lab.town, LIMIT)
    shutil.rmtree(folder)
    return numbers


def _common(steps: int) -> dict[str, object]:
    return {"train__steps": steps, "frames__options__random_crop": "null", "train__checkpoint_every": 250}


CLAIM = Claim(
    name="mixing",
    says="In self-training, DepthMix teaches more than ClassMix, ClassMix more than CutMix, CutMix more than labels "
    "alone.",
    setup=f"""Toy town (24 streets, 960 frames without label), {FEW} labelled frames drawn by the seed, whole
    frames of 192x96. All variants of a seed start from its {WARM} steps of labels alone and go on for
    {STEPS}: recipe three_ways-toytown-staged (consistency weight 1, teacher decay 0.99 in evaluation
    mode). DepthMix by the depth run (400 steps) and by true depth. 6 other streets judge (120 frames).""",
    variants=("labels alone", *MIXES),
    comparisons=(
        Comparison("DepthMix", "ClassMix"),
        Comparison("ClassMix", "CutMix"),
        Comparison("CutMix", "labels alone"),
        Comparison("ClassMix", "labels alone"),
        Comparison("DepthMix", "labels alone"),
        Comparison("DepthMix, true depth", "ClassMix"),
        Comparison("DepthMix, true depth", "labels alone"),
        Comparison("mean teacher", "labels alone"),
        Comparison("ClassMix", "labels alone", "pixel_accuracy"),
        Comparison("DepthMix, true depth", "labels alone", "pixel_accuracy"),
    ),
    deciding=3,
    seeds=8,
    run=run,
    seconds=600,
    preparation=400,
    few="labels alone",
    full="all labels",
)
