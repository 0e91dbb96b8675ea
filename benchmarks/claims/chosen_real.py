"""Do the labels of chosen frames of real video, carried to their neighbours, teach more than those of random ones?"""

import json
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from benchmarks.claims.carried_labels import OTHERS, carried
from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import SIZES, Lab
from benchmarks.claims.probe import Frames, Lesson, encoder_of, frames_of, learned, scored
from benchmarks.studies import reach
from benchmarks.studies.common import read_rows

CRITERIA = {
    "random": "random", "uniform": "uniform", "evenly spaced": "evenly spaced", "diversity": "ds", "reach": "reach",
    "uncertainty": "us", "diversity and uncertainty": "ds_us",
}  # fmt: skip
PLAIN = tuple(CRITERIA)[:5]
"""Those that need no students."""
CAMVID_LABELS, KITTI_LABELS, KITTI_STEPS = 3, 12, 300
WIDTHS = {"camvid": 1280, "kitti": SIZES["kitti"][1]}
ALL = "all labels"


def choice(data: str, criterion: str, labels: int, seed: int) -> tuple[int, ...]:
    """Rows of the video, in the order of their pictures, that study reach chose; seeds go round where it had fewer."""
    rows = [
        row
        for row in read_rows(reach.RESULTS / f"reach_{data}_seeds.csv")
        if (row["criterion"], row["labels"]) == (CRITERIA[criterion], str(labels))
    ]
    rows.sort(key=lambda row: int(row["seed"]))
    return tuple(json.loads(rows[seed % len(rows)]["chosen"]))


@cache
def video(lab: Lab, data: str) -> Frames:
    """The frames from which is chosen, in the order of their pictures."""
    if data == "kitti":
        file = lab.out / "features" / "clips-imagenet.pt"
        return frames_of(reach.kitti(lab.data, lab.out), encoder_of("imagenet", None), SIZES["kitti"], file)
    clip = lab.frames("camvid-val", "imagenet")
    if [row.image for row in clip.manifest] != sorted(row.image for row in clip.manifest):
        raise ValueError("the clip's frames are not in the order in which study reach counted them")
    return clip


@lru_cache(maxsize=12)  # what is random has one a seed; all else comes back
def lesson(lab: Lab, data: str, keys: tuple[int, ...]) -> Lesson:
    """The labels of these frames, carried as vergence labels propagate does."""
    return carried(lab, video(lab, data), keys, f"{data}-{hash(keys)}", WIDTHS[data])


def taught(lab: Lab, data: str, variant: str, labels: int, seed: int) -> tuple[Lesson, list[int]]:
    """What the head learns from, and the frames of the video that had no label."""
    frames = video(lab, data)
    if variant == ALL:
        return Lesson(frames, range(len(frames))), list(range(len(frames)))
    keys = choice(data, variant, labels, seed)
    return lesson(lab, data, keys), [row for row in range(len(frames)) if row not in keys]


def on_camvid(lab: Lab, variant: str, seed: int) -> Numbers:
    given, rest = taught(lab, "camvid", variant, CAMVID_LABELS, seed)
    head, others = learned(given, seed), lab.frames("camvid-train", "imagenet")
    numbers = scored(head, others, range(0, len(others), OTHERS))
    return numbers | scored(head, given.frames, rest[::3], "clip ")


def on_kitti(lab: Lab, variant: str, seed: int) -> Numbers:
    given, _ = taught(lab, "kitti", variant, KITTI_LABELS, seed)
    judges = lab.frames("kitti-test", "imagenet")
    return scored(learned(given, seed, KITTI_STEPS), judges, range(len(judges)))


def claim(
    name: str, says: str, setup: str, run: Callable[[Lab, str, int], Numbers], variants: Sequence[str], **options: Any
) -> Claim:
    common = """ are chosen as in study reach (its choices; random: one a seed, diversity and students: three, all else
    one), their labels are carried up to two seconds each way by flow with the default settings of vergence labels
    propagate, and the head of recipe frozen-video learns from all of it on frozen ImageNet features"""
    others = [name for name in variants if name not in ("random", "reach")]
    return Claim(
        name=name,
        says=says,
        setup=setup.replace(" ARE CHOSEN", common),
        variants=tuple(variants),
        comparisons=(
            Comparison("reach", "random"),
            Comparison("reach", "random", "pixel_accuracy"),
            *(Comparison("reach", other) for other in others),
        ),
        deciding=1,
        seeds=20,
        run=run,
        few="random",
        full=ALL,
        **options,
    )


CAMVID = claim(
    "chosen_camvid",
    "Three labels of CamVid's clip chosen by reach, carried, teach more than those of three random frames.",
    f"""CamVid's val clip (101 frames, 15 Hz): {CAMVID_LABELS} frames ARE CHOSEN at 480x352 (150 steps). Scored on the
    other drives (every fourth of CamVid's 367 training frames, mIoU of 11 classes), which decides, and on the clip's
    own unlabelled frames, where head room is asked for. (Seven labels had been planned: carried, they reach nearly all
    of the clip, and all 101 were 0.3 points better.)""",
    on_camvid,
    PLAIN,
    gate_metric="clip miou",
    seconds=40,
    preparation=200,
)
KITTI = claim(
    "chosen_kitti",
    "Twelve frames of KITTI's clips chosen by reach, their labels carried, teach more than twelve random ones.",
    f"""The KITTI clips that may teach under protocol.json and have semantics of a network trained elsewhere beside them
    (675 frames, 10 Hz), which stand for labels made by hand: {KITTI_LABELS} frames ARE CHOSEN at 416x128
    ({KITTI_STEPS} steps). Scored on the 44 labelled stills that judge.""",
    on_kitti,
    tuple(CRITERIA),
    seconds=30,
    preparation=300,
)
