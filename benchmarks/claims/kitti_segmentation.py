"""Real stills: is a light head on a frozen encoder the better use of few labels, and what are more labels worth?"""

from dataclasses import replace

import numpy as np

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.probe import Lesson, learned, scored
from benchmarks.claims.recipes import RecipeRun, segmented
from benchmarks.studies.three_ways import overrides
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

STEPS = 500


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """The seed draws the labelled stills among the 90 that may teach."""
    way, number = variant.split(", ")
    count = int(number)
    if way == "frozen":
        return frozen(lab, count, seed, STEPS)
    stills = Manifest([*drawn(lab, count, seed), *judged_stills(lab)], lab.kitti.root)
    data = stills.write(lab.out / f"kitti-{count}-{seed}.parquet")
    words = overrides(
        train__steps=STEPS, frames__options__height=128, frames__options__width=416, frames__labelled__count="null",
        frames__options__random_crop="[128, 192]",
    )  # fmt: skip
    return segmented(lab.run(f"kitti-{count}-{seed}"), RecipeRun("supervised-toytown", words, data), seed)


def frozen(lab: Lab, count: int, seed: int, steps: int) -> Numbers:
    """A light head on ImageNet features of the drawn stills."""
    frames, judges = lab.frames("kitti-train", "imagenet"), lab.frames("kitti-test", "imagenet")
    lesson = Lesson(frames, _order(len(frames), seed)[:count])
    return scored(learned(lesson, seed, steps), judges, range(len(judges)))


def drawn(lab: Lab, count: int, seed: int) -> list[FrameRow]:
    """The labelled stills of a seed."""
    stills = [row for row in lab.kitti if row.split == "train"]
    return [stills[place] for place in sorted(_order(len(stills), seed)[:count])]


def judged_stills(lab: Lab) -> list[FrameRow]:
    """Those that judge, as validation frames."""
    return [replace(row, split="val") for row in lab.kitti if row.split == "test"]


def _order(number: int, seed: int) -> list[int]:
    return [int(place) for place in np.random.default_rng(seed).permutation(number)]


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
