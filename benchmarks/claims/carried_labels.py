"""Are labels that were carried through video worth more than the few they come from?"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.probe import Frames, Lesson, carried_label, learned, scored
from vergence import api
from vergence.data.manifest import Manifest
from vergence.motion.flow import DenseFlow

KEYS = 3
OTHERS = 4
"""Every so many-th frame of the other clips is scored."""


class KeptFlow(DenseFlow):
    """Flow that is computed once for a pair of pictures: the clip is the same for all seeds."""

    kept: ClassVar[dict[bytes, Tensor]] = {}

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
        key = hashlib.sha1(first.tobytes() + second.tobytes()).digest()
        if key not in self.kept:
            self.kept[key] = super().__call__(first, second)
        return self.kept[key].clone()


def keys_of(seed: int, total: int) -> list[int]:
    """Frames that keep their label: evenly spaced, all moved by a draw of the seed."""
    gap = total / KEYS
    shift = np.random.default_rng(seed).uniform(-0.4, 0.4) * gap
    return [int((place + 0.5) * gap + shift) for place in range(KEYS)]


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """A head from 3 labels, from these carried to all frames of the clip, or from all 101 labels."""
    clip = lab.frames("camvid-val", "imagenet")
    keys = keys_of(seed, len(clip))
    if variant.startswith("all"):
        lesson = Lesson(clip, range(len(clip)))
    elif variant == "carried":
        lesson = carried(lab, clip, keys, f"{seed}")
    else:
        lesson = Lesson(clip, keys)
    head = learned(lesson, seed)
    rest = [row for row in range(len(clip)) if row not in keys]
    train = lab.frames("camvid-train", "imagenet")
    numbers = scored(head, clip, rest[::3], "clip ")
    return numbers | scored(head, train, range(0, len(train), OTHERS))


def carried(lab: Lab, clip: Frames, keys: Sequence[int], name: str) -> Lesson:
    """Labels of the keys, and what ``vergence labels propagate`` makes of them, weighted by confidence."""
    rows = [row if place in keys else replace(row, label="", label_space="") for place, row in enumerate(clip.manifest)]
    folder = lab.out / f"carried-{name}"
    given = Manifest(rows, clip.manifest.root).write(folder / "given.parquet")
    with patch("vergence.propagation.video_motion.DenseFlow", KeptFlow):
        api.labels_propagate(given, folder / "carried.parquet", motion="flow", device="cpu")
    found = Manifest.read(folder / "carried.parquet")
    places = [place for place, row in enumerate(found) if row.label]
    labels = [carried_label(found.path(place, "label"), clip.size) for place in places]
    sure = [
        carried_label(found.path(place, "label_confidence"), clip.size)
        if found[place].label_confidence
        else labels[turn].new_full(labels[turn].shape, 255)
        for turn, place in enumerate(places)
    ]
    shutil.rmtree(folder)
    return Lesson(clip, places, labels, sure)


CLAIM = Claim(
    name="carried_labels",
    says="Labels carried to the other frames of their clip teach more than the labels alone.",
    setup=f"""CamVid's val clip (101 frames, 15 Hz): {KEYS} frames keep their label, at places drawn by the seed;
    vergence labels propagate carries them by flow, default settings. Head of recipe frozen-video on
    frozen ImageNet features at 480x352 (16 and 32 channels; every second pixel of labels is scored),
    150 steps each. Scored on frames of the other drives (every fourth of CamVid's 367 training frames,
    mIoU of 11 classes), which decides, and on the clip's own unlabelled frames. Gate: all 101 labels.""",
    variants=("labels alone", "carried"),
    comparisons=(
        Comparison("carried", "labels alone"),
        Comparison("carried", "labels alone", "pixel_accuracy"),
        Comparison("carried", "labels alone", "clip miou"),
        Comparison("carried", "labels alone", "clip pixel_accuracy"),
    ),
    deciding=1,
    seeds=20,
    run=run,
    seconds=40,
    preparation=200,
    few="labels alone",
    full="all labels",
    gate_metric="clip miou",
)
