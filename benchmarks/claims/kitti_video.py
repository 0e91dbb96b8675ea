"""Real streets: what does unlabelled video of the same cameras add to labelled stills, ingredient by ingredient?"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.kitti_segmentation import drawn, frozen, judged_stills
from benchmarks.claims.lab import SIZES, Lab
from benchmarks.claims.real_depth import SHORT, manifests
from benchmarks.claims.recipes import RecipeRun, segmented
from benchmarks.studies.three_ways import overrides
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PATH_COLUMNS

WARM, STEPS, CROP, BALANCE = 400, 300, (128, 192), 0.5
HEIGHT, WIDTH = SIZES["kitti"]
RATES = "{encoder: 6.0e-4, segmentation: 4.0e-3}"
UNBALANCED = "labels alone, all pixels alike"
MIXES = {"ClassMix": "classmix", "DepthMix": "depthmix"}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """The seed draws the labelled stills among the 90 that may teach; those of fewer labels are among those of more."""
    way, count = variant.rsplit(", ", 1)
    if way == "frozen":
        return frozen(lab, int(count), seed, WARM + STEPS)
    ingredients = way.split(" and ")
    words = {
        "train__steps": WARM + STEPS, "train__checkpoint_every": 200, "optim__group_lr": RATES,
        "network__head_levels": [2], "network__head_channels": 32, "network__head_dropout": 0.0,
        "three_ways__class_balance": 0.0 if way == UNBALANCED else BALANCE,
        "frames__options__height": HEIGHT, "frames__options__width": WIDTH,
        "frames__options__fit": "crop", "frames__options__random_crop": list(CROP),
        "three_ways__consistency__mixed_statistics": "false", "three_ways__teacher": "false",
        "three_ways__consistency__mix": "none",
    }  # fmt: skip
    if "depth start" in ingredients:
        words["three_ways__initialize_from"] = SHORT.learned(lab)
    for mix in MIXES.keys() & set(ingredients):
        words |= {
            "three_ways__teacher": "true", "three_ways__start": WARM, "three_ways__ramp": 50,
            "three_ways__teacher_buffers": "true", "three_ways__consistency__mix": MIXES[mix],
        }  # fmt: skip
    if "DepthMix" in ingredients:
        words["three_ways__depth"] = SHORT.learned(lab)
    if "depth beside" in ingredients:
        words |= {"train__precision": "no", "three_ways__multi_task": "true", "three_ways__depth": "online"}
        words |= {"network__exchange": "pad", "network__exchange_level": 3}  # coarser than the classes are read at
    data = lab.out / f"kitti-video-{count}-{seed}.parquet"
    job = RecipeRun("three_ways-video", overrides(**words), stills_and_video(lab, int(count), seed).write(data))
    return segmented(lab.run(f"kitti-video-{variant}-{seed}"), job, seed)


def stills_and_video(lab: Lab, count: int, seed: int) -> Manifest:
    """The drawn stills with their labels and KITTI's clips without, as training data, and the stills that judge."""
    video = Manifest.read(manifests(lab)[0])
    bare: dict[str, Any] = dict.fromkeys(PATH_COLUMNS[1:], "")
    clips = [
        replace(row, image=str(video.path(place)), **bare)
        for place, row in enumerate(video)
        if Path(row.sequence).name.startswith("kitti_")
    ]
    return Manifest([*drawn(lab, count, seed), *judged_stills(lab), *clips], lab.kitti.root, "KITTI stills and video")


CLAIM = Claim(
    name="kitti_video",
    says="On real streets, unlabelled video of the same cameras adds to ten labelled stills (three_ways).",
    setup=f"""KITTI stills under protocol.json: 10 (30, 90) of 90 pictures, drawn by the seed, teach, 44 judge, at
    {WIDTH}x{HEIGHT}, mIoU of the Cityscapes classes that they have. Without labels: the KITTI clips
    that may teach. Recipe three_ways-video with batches of 4 and 4 crops of {CROP[1]}x{CROP[0]}, classes read at a
    quarter of the size, rare ones weighed up (class_balance {BALANCE}), rates of recipe supervised-toytown: {WARM}
    steps of labels alone, then {STEPS} with the teacher (labels alone: as many without). Crops of 160x96 and all pixels
    alike had been planned; there 90 labels were no better than ten. Depth, for the start and for DepthMix, is the run
    of claim real_depth_small. Frozen: the head of recipe frozen-video (16 and 32 channels) on ImageNet features.
    Depth beside: learned with the classes (multi_task, PAD) from the clips, one camera; DepthMix is then by that.""",
    variants=(
        *("labels alone, 10", "ClassMix, 10", "depth start and DepthMix, 10", "depth start, 10", "DepthMix, 10"),
        *(f"{UNBALANCED}, 10", "frozen, 10", "depth start and DepthMix and depth beside, 10"),
        *("labels alone, 30", "ClassMix, 30"),
    ),
    comparisons=(
        Comparison("ClassMix, 10", "labels alone, 10"),
        Comparison("DepthMix, 10", "labels alone, 10"),
        Comparison("DepthMix, 10", "ClassMix, 10"),
        Comparison("depth start, 10", "labels alone, 10"),
        Comparison("depth start and DepthMix, 10", "labels alone, 10"),
        Comparison("depth start and DepthMix and depth beside, 10", "labels alone, 10"),
        Comparison("labels alone, 10", f"{UNBALANCED}, 10"),
        Comparison("ClassMix, 10", "frozen, 10"),
        Comparison("ClassMix, 30", "labels alone, 30"),
        Comparison("ClassMix, 10", "labels alone, 10", "pixel_accuracy"),
        Comparison("DepthMix, 10", "labels alone, 10", "pixel_accuracy"),
        Comparison("depth start and DepthMix, 10", "labels alone, 10", "pixel_accuracy"),
        Comparison("depth start and DepthMix and depth beside, 10", "labels alone, 10", "pixel_accuracy"),
    ),
    deciding=1,
    seeds=8,
    run=run,
    seconds=230,
    preparation=60,
    few="labels alone, 10",
    full="labels alone, 90",
)
