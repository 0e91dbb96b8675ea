"""Is an encoder that has learned depth on the same video a better start than ImageNet, and that than none?"""

from typing import Any

import numpy as np

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.probe import Lesson, learned, scored
from benchmarks.claims.recipes import RecipeRun, segmented
from benchmarks.studies.three_ways import overrides

FEW, FEW_TUNED, STEPS = 10, 3, 500


def frozen(lab: Lab, variant: str, seed: int) -> Numbers:
    """A head on frozen features; the seed draws labels, the head's start and the order of frames."""
    start = "imagenet" if variant.startswith("all") else variant
    frames, judges = lab.frames("town-train", start), lab.frames("town-val", start)
    order = np.random.default_rng(seed).permutation(len(frames))
    rows = order if variant.startswith("all") else order[:FEW]
    head = learned(Lesson(frames, [int(row) for row in rows]), seed)
    return scored(head, judges, range(0, len(judges), 2))


def tuned(lab: Lab, variant: str, seed: int) -> Numbers:
    """The whole network is trained on the labels."""
    words: dict[str, Any] = {"train__steps": STEPS, "frames__labelled__count": FEW_TUNED}
    if variant == "scratch":
        words["network__weights"] = "none"
    elif variant == "depth":
        words["supervised__initialize_from"] = lab.depth
    elif variant.startswith("all"):
        words["frames__labelled__count"] = "null"
    run = RecipeRun("supervised-toytown", overrides(**words), lab.town)
    return segmented(lab.run(f"depth_start_tuned-{variant}-{seed}"), run, seed, limit=120)


FROZEN = Claim(
    name="depth_start",
    says="An encoder that learned depth on the same video is a better frozen start for segmentation than ImageNet's, "
    "and ImageNet's than random weights.",
    setup=f"""Toy town: 24 streets to learn from, {FEW} labelled frames drawn by the seed; 6 other streets judge
    (120 frames of 192x96). EfficientNet-Lite0 stays frozen; the head of recipe frozen-video (narrower:
    16 and 32 channels) is trained for 150 steps. Depth: recipe depth-toytown-demo (400 steps, video and
    stereo) from ImageNet's weights on the same streets. Random weights are one draw for all seeds.""",
    variants=("scratch", "imagenet", "depth"),
    comparisons=(Comparison("depth", "imagenet"), Comparison("imagenet", "scratch")),
    seeds=20,
    run=frozen,
    seconds=8,
    preparation=400,
    few="imagenet",
    full="all labels, imagenet",
)

TUNED = Claim(
    name="depth_start_tuned",
    says="Where the whole network is trained, a depth run is a better start than ImageNet, and that than none.",
    setup=f"""Toy town as above; recipe supervised-toytown, {STEPS} steps on {FEW_TUNED} labelled frames drawn
    by the seed; the decoder starts from the depth run's, too. ({FEW} frames had been planned and 4 tried; there all
    labels were only 1.2 and 5.9 points better over 3 seeds, so those set-ups were thrown out.)""",
    variants=("scratch", "imagenet", "depth"),
    comparisons=(Comparison("depth", "imagenet"), Comparison("imagenet", "scratch")),
    seeds=8,
    run=tuned,
    seconds=150,
    few="imagenet",
    full="all labels, imagenet",
)
