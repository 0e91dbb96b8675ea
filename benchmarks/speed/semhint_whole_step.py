"""Speed of a SemHint-MD training step, hints at full size and smaller, against the bare passes that it needs.

    python -m benchmarks.speed.semhint_whole_step     # 192 x 640, batch 4, ResNet-18
    python -m benchmarks.speed.semhint_whole_step --height 96 --width 192 --encoder efficientnet_lite0

Needed are: depth and classes of the target and the poses of two pairs, forward and backward, and the teacher's depth
and classes of the target. All are timed in turn in one process; ratios are of medians.
"""

import argparse
from functools import partial

import torch

from benchmarks.speed.common import append_rows, channels_last, in_turn, random_batch, ratio_rows, stamp, step_options
from benchmarks.speed.semhint_step import patches
from benchmarks.speed.step import full_step, zero_gradients
from benchmarks.speed.three_ways_step import PAIRS, SPACE
from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.methods.semhint import SemHintMethod
from vergence.methods.semhint_config import SemHintConfig
from vergence.settings.losses import HintProposalConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig


def build(options: argparse.Namespace, downsample: int) -> SemHintMethod:
    torch.manual_seed(0)
    config = SemHintConfig(
        network=SegmentationNetworkConfig(encoder=options.encoder, weights="none", shared_blocks=4),
        pose=PoseConfig(encoder=options.encoder, weights="none"),
        proposals=HintProposalConfig(families=options.families), labels="manifest", hint_downsample=downsample,
        refine=options.refine,
    )  # fmt: skip
    frames = FrameOptions(height=options.height, width=options.width, label_space=SPACE)
    return channels_last(SemHintMethod(config, frames).to(options.device).train())


def bare_step(method: SemHintMethod, batch: Batch, classes_of_teacher: bool) -> None:
    """The networks alone."""
    images, pose = batch["jittered"], method.synthesis.pose
    assert method.reference is not None
    assert pose is not None
    seen = method.network(images[:, 0], depth=True)
    outputs = [seen["logits"].mean(), *(disparity.mean() for disparity in seen["disparities"].values())]
    with torch.no_grad():
        method.reference.network(batch["frames"][:, 0], segmentation=classes_of_teacher, depth=True)
    for pair in PAIRS:
        axis_angle, translation, _ = pose(images[:, list(pair)])
        outputs += [axis_angle.mean(), translation.mean()]
    torch.stack(outputs).sum().backward()


def main() -> None:
    parser = step_options(__doc__)
    parser.add_argument("--downsample", type=int, nargs="+", default=[1, 2], help="sizes at which hints are looked for")
    parser.add_argument("--families", nargs="+", default=["components", "cells"])
    parser.add_argument("--no-refine", dest="refine", action="store_false", help="labels as they are")
    options = parser.parse_args()
    batch = random_batch(options.batch, options.height, options.width, options.device)
    labels, _ = patches(options.batch, (options.height, options.width), options.device)
    batch["pseudo_label"] = labels[:, None].repeat(1, batch["frames"].shape[1], 1, 1)
    batch["confidence"] = torch.ones(batch["pseudo_label"].shape, device=options.device)
    methods = {step: build(options, step) for step in options.downsample}
    bare = methods[options.downsample[0]]
    calls = {"bare passes": partial(bare_step, bare, batch, options.refine)}
    for step, method in methods.items():
        calls["full" if step == 1 else f"full, hints at 1/{step}"] = partial(full_step, method, batch, None)
    times = in_turn(calls, options.rounds, options.device, lambda: zero_gradients(methods.values()))
    rows = ratio_rows(times, "bare passes")
    if options.out:
        about = {"encoder": options.encoder, "size": f"{options.height}x{options.width}", "batch": options.batch,
                 "families": "+".join(options.families), "refine": options.refine}  # fmt: skip
        append_rows(options.out, [about | stamp(options.device) | row for row in rows])


if __name__ == "__main__":
    main()
