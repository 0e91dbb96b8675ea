"""Does mixing by depth teach more than mixing by class, that more than boxes, and these more than nothing?"""

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, finished, segmented
from benchmarks.studies.three_ways import overrides

FEW, WARM, STEPS, LIMIT = 10, 500, 700, 120
HEIGHT, WIDTH = 64, 128
MIXES = {
    "ClassMix": ("classmix", ""),
    "DepthMix, true depth": ("depthmix", "truth"),
    "CutMix": ("cutmix", ""),
    "DepthMix": ("depthmix", "run"),
}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Self-training from the seed's warm start, or as many steps of labels alone."""
    place = lab.run(f"mixing-{variant}-{seed}")
    if variant.startswith("all"):
        return segmented(place, _labels(lab, WARM + STEPS, frames__labelled__count="null"), seed, LIMIT)
    warm = finished(lab.run(f"mixing-warm-{seed}"), _labels(lab, WARM), seed)
    if variant == "labels alone":
        return segmented(place, _labels(lab, STEPS, supervised__initialize_from=warm), seed, LIMIT)
    mix, depth = MIXES[variant]
    words = overrides(
        **_common(STEPS), three_ways__initialize_from=warm, three_ways__initialize_parts="[encoder, decoder]",
        three_ways__start=1, three_ways__ramp=0, three_ways__consistency__mix=mix,
        three_ways__depth=lab.depth if depth == "run" else depth,
    )  # fmt: skip
    return segmented(place, RecipeRun("three_ways-toytown-staged", words, lab.town), seed, LIMIT)


def _labels(lab: Lab, steps: int, **settings: object) -> RecipeRun:
    """Labels alone."""
    return RecipeRun("supervised-toytown", overrides(**{**_common(steps), **settings}), lab.town)


def _common(steps: int) -> dict[str, object]:
    return {
        "train__steps": steps, "train__checkpoint_every": 250, "frames__labelled__count": FEW,
        "frames__options__random_crop": "null", "frames__options__height": HEIGHT, "frames__options__width": WIDTH,
    }  # fmt: skip


CLAIM = Claim(
    name="mixing",
    says="In self-training, DepthMix teaches more than ClassMix, ClassMix more than CutMix, CutMix more than labels "
    "alone.",
    setup=f"""Toy town (24 streets, 960 frames without label), {FEW} labelled frames drawn by the seed, whole
    frames of {WIDTH}x{HEIGHT}. All variants of a seed start from its {WARM} steps of labels alone and go on for
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
        Comparison("ClassMix", "labels alone", "pixel_accuracy"),
        Comparison("DepthMix, true depth", "labels alone", "pixel_accuracy"),
    ),
    deciding=3,
    seeds=8,
    run=run,
    seconds=260,
    preparation=400,
    few="labels alone",
    full="all labels",
)
