"""Real stills: is a light head on a frozen encoder the better use of few labels, and what are more labels worth?"""

from dataclasses import replace

import numpy as np

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.probe import Lesson, learned, scored
from benchmarks.claims.recipes import RecipeRun, segmented
from benchmarks.studies.three_ways import overrides
from vergence.data.manifest import Manifest

STEPS = 500


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """The seed draws the labelled stills among the 90 that may teach."""
    way, count = variant.split(", ")
    frames, judges = lab.frames("kitti-train", "imagenet"), lab.frames("kitti-test", "imagenet")
    order = [int(row) for row in np.random.default_rng(seed).permutation(len(frames))[: int(count)]]
    if way == "frozen":
        return scored(learned(Lesson(frames, order), seed, STEPS), judges, range(len(judges)))
    kept = {frames.manifest[row].image for row in order}
    rows = [row for row in lab.kitti if row.split == "test" or row.image in kept]
    rows = [replace(row, split="val") if row.split == "test" else row for row in rows]
    data = Manifest(rows, lab.kitti.root).write(lab.out / f"kitti-{count}-{seed}.parquet")
    words = overrides(
        train__steps=STEPS, frames__options__height=128, frames__options__width=416, frames__labelled__count="null",
        frames__options__random_crop="[128, 192]",
    )  # fmt: skip
    return segmented(lab.run(f"kitti-{count}-{seed}"), RecipeRun("supervised-toytown", words, data), seed)


CLAIM = Claim(
    name="kitti_segmentation",
    says="From ten labelled stills of real streets, a light head on a frozen encoder is better than training the whole "
    "network.",
    setup=f"""KITTI stills under protocol.json: 10 of 90 pictures, drawn by the seed, teach, 44 judge, at 416x128,
    mIoU of the Cityscapes classes that they have. Frozen: the head of recipe frozen-video (16 and 32
    channels) on ImageNet features, {STEPS} steps. Tuned: the network of recipe supervised-toytown from
    ImageNet, as many steps on crops of 192x128. Gate: frozen, all 90.""",
    variants=("frozen, 10", "frozen, 30", "frozen, 90", "tuned, 10"),
    comparisons=(
        Comparison("frozen, 10", "tuned, 10"),
        Comparison("frozen, 10", "tuned, 10", "pixel_accuracy"),
        Comparison("frozen, 30", "frozen, 10"),
        Comparison("frozen, 90", "frozen, 30"),
    ),
    deciding=1,
    seeds=8,
    run=run,
    seconds=100,
    preparation=60,
    few="frozen, 10",
    full="frozen, 90",
)
