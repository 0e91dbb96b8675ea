"""Do the labels of chosen frames of real video, carried to their neighbours, teach more than those of random ones?"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.claims.carried_labels import OTHERS, carried
from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import SIZES, Lab
from benchmarks.claims.probe import Frames, Lesson, at_size, encoder_of, frames_of, learned, picture, scored
from benchmarks.studies import reach
from benchmarks.studies.common import read_rows
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.rows.frame_row import FrameRow

CRITERIA = {
    "random": "random", "uniform": "uniform", "evenly spaced": "evenly spaced", "diversity": "ds", "reach": "reach",
}  # fmt: skip
"""And what the study calls them."""
CAMVID_LABELS, KITTI_LABELS, KITTI_STEPS = 3, 6, 300
ALL = "all labels"
TAUGHT = """are chosen as in study reach (its choices; random: one a seed, diversity three, all else one), their labels
are carried up to two seconds each way by flow with the default settings of vergence labels propagate, and the head of
recipe frozen-video learns from all of it on frozen ImageNet features"""


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
        clips = small(reach.kitti(lab.data, lab.out), lab.out / "clips", SIZES["kitti"])
        return frames_of(clips, encoder_of("imagenet", None), SIZES["kitti"], file)
    clip = lab.frames("camvid-val", "imagenet")
    if [row.image for row in clip.manifest] != sorted(row.image for row in clip.manifest):
        raise ValueError("the clip's frames are not in the order in which study reach counted them")
    return clip


def small(frames: Manifest, folder: Path, size: tuple[int, int]) -> Manifest:
    """The frames and their labels as pictures (H, W) large: labels are carried forty times over."""
    rows = list[FrameRow]()
    for number, row in enumerate(frames):
        image, label = (folder / kind / f"{number:06d}.png" for kind in ("images", "labels"))
        if not label.is_file():
            pixels = (picture(frames, number, size) * 255).round().byte().permute(1, 2, 0).numpy()
            ids = at_size(read_label(frames.path(number, "label")), size).numpy()
            for path, array in ((image, pixels), (label, ids)):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
        rows.append(replace(row, image=str(image), label=str(label), width=size[1], height=size[0]))
    return Manifest(rows, folder, frames.name)


@lru_cache(maxsize=12)  # what is random has one a seed; all else comes back
def lesson(lab: Lab, data: str, keys: tuple[int, ...]) -> Lesson:
    """The labels of these frames, carried as vergence labels propagate does."""
    return carried(lab, video(lab, data), keys, f"{data}-{hash(keys)}")


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
    name: str, says: str, setup: str, run: Callable[[Lab, str, int], Numbers], also: Sequence[str] = (), **options: Any
) -> Claim:
    others = [name for name in CRITERIA if name not in ("random", "reach")]
    return Claim(
        name=name,
        says=says,
        setup=setup,
        variants=tuple(CRITERIA),
        comparisons=(
            Comparison("reach", "random"),
            Comparison("reach", "random", "pixel_accuracy"),
            *(Comparison("reach", other) for other in others),
            *(Comparison("reach", "random", metric) for metric in also),
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
    f"""CamVid's val clip (101 frames, 15 Hz): {CAMVID_LABELS} frames {TAUGHT} at 480x352 (150 steps). Scored on the
    other drives (every fourth of CamVid's 367 training frames, mIoU of 11 classes), which decides, and on the clip's
    own unlabelled frames, where head room is asked for. (Seven labels had been planned: carried, they reach nearly all
    of the clip, and all 101 were 0.3 points better.)""",
    on_camvid,
    ("clip miou", "clip pixel_accuracy"),
    gate_metric="clip miou",
    seconds=40,
    preparation=200,
)
KITTI = claim(
    "chosen_kitti",
    "Six frames of KITTI's clips chosen by reach, their labels carried, teach more than six random ones.",
    f"""The KITTI clips that may teach under protocol.json and have semantics of a network trained elsewhere beside them
    (675 frames, 10 Hz), which stand for labels made by hand: {KITTI_LABELS} frames {TAUGHT} at 416x128
    ({KITTI_STEPS} steps). Scored on the 44 labelled stills that judge. (Twelve had been planned; of random ones 4.0
    points below all labels on the first seed.)""",
    on_kitti,
    seconds=30,
    preparation=300,
)
