"""Is training in bf16 as good as in single precision?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import RecipeRun, estimated, segmented
from benchmarks.studies.three_ways import overrides

DEPTH_STEPS, CLASS_STEPS, LABELS, LIMIT = 400, 300, 100, 100
SIZE = {"frames__options__height": 64, "frames__options__width": 128, "frames__batch_size": 4}
MARGIN = 0.01


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Depth, or classes, learned in one of the two precisions."""
    task, precision = variant.split(", ")
    common = {"train__precision": "bf16" if precision == "bf16" else "no", "train__checkpoint_every": 100, **SIZE}
    folder = lab.run(f"bf16-{variant}-{seed}")
    with bf16_convolutions():
        if task == "classes":
            words = overrides(
                train__steps=CLASS_STEPS, frames__labelled__count=LABELS, frames__options__random_crop="null", **common
            )
            return segmented(folder, RecipeRun("supervised-toytown", words, lab.town), seed, LIMIT)
        words = overrides(train__steps=DEPTH_STEPS, **common)
        return estimated(folder, RecipeRun("depth-toytown-demo", words, lab.town), seed, LIMIT)


@contextmanager
def bf16_convolutions() -> Iterator[None]:
    """Convolutions under autocast as processors with bf16 instructions compute them, at the speed of single precision.

    Operands and results are rounded to bf16, sums are of single precision, forwards and backwards. Processors without
    these instructions take eight times as long for the same.
    """
    convolve = F.conv2d

    def rounded(image: Tensor, weight: Tensor, bias: Tensor | None = None, *words: Any, **named: Any) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return convolve(image, weight, bias, *words, **named)
        with torch.autocast("cpu", enabled=False):
            image, weight = image.bfloat16().float(), weight.bfloat16().float()
            bias = None if bias is None else bias.bfloat16().float()
            return convolve(image, weight, bias, *words, **named).bfloat16()

    with patch("torch.nn.functional.conv2d", rounded):
        yield


CLAIM = Claim(
    name="bf16",
    says="Training in bf16 (train.precision) gives results that are not worse than those of single precision.",
    setup=f"""Toy town, frames of 128x64, batches of 4. Depth: recipe depth-toytown-demo (video and stereo),
    {DEPTH_STEPS} steps, abs_rel with median scaling. Classes: recipe supervised-toytown, {LABELS} labelled frames drawn
    by the seed, {CLASS_STEPS} steps. Scored on {LIMIT} frames of other streets, in single precision. Not worse: by at
    most {100 * MARGIN:.0f} point. Convolutions round operands and results to bf16 and add in single precision, as
    processors with bf16 instructions do (this one has none), and PyTorch does the rest in bf16.""",
    variants=("depth, single", "depth, bf16", "classes, single", "classes, bf16"),
    comparisons=(
        Comparison("depth, bf16", "depth, single", "abs_rel", lower=True, margin=MARGIN),
        Comparison("classes, bf16", "classes, single", "miou", margin=MARGIN),
        Comparison("classes, bf16", "classes, single", "pixel_accuracy", margin=MARGIN),
        Comparison("depth, bf16", "depth, single", "a1", margin=MARGIN),
    ),
    deciding=2,
    seeds=8,
    run=run,
    seconds=140,
)
