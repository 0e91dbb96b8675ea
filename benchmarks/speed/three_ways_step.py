"""Speed of a Three Ways training step against the bare passes that it needs.

    python -m benchmarks.speed.three_ways_step            # the form of experiment 212, ResNet-18
    python -m benchmarks.speed.three_ways_step --encoder efficientnet_lite0 --height 96 --width 192 --batch 4

Needed are: both tasks on labelled frames and the pose of two pairs, the teacher's segmentation without gradients, depth
and poses of unlabelled frames, and segmentation of mixed frames. The bare step runs just these forward and backward
passes of the same networks with a mean for a loss. Both are timed in turn; ratios are of medians.
"""

import argparse
from typing import Any

import torch

from benchmarks.speed.common import append_rows, channels_last, in_turn, random_batch, ratio_rows, stamp, step_options
from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

SPACE = "nineteen:" + ",".join(f"class{k}#0000{k:02x}" for k in range(19))
PAIRS = ((1, 0), (0, 2))


def build(options: argparse.Namespace) -> ThreeWaysMethod:
    torch.manual_seed(0)
    network = SegmentationNetworkConfig(
        encoder=options.encoder, weights="none", decoder="three_ways" if options.aspp else "monodepth2",
        exchange="pad", output_stride=options.output_stride,
    )  # fmt: skip
    config = ThreeWaysConfig(
        network=network, pose=PoseConfig(encoder="resnet18", weights="none"), multi_task=True, depth="online"
    )
    frames = FrameOptions(height=options.height, width=options.width, label_space=SPACE)
    method = ThreeWaysMethod(config, frames).to(options.device).train()
    return channels_last(method)


def batches(options: argparse.Namespace) -> dict[str, Batch]:
    found = {}
    for role in ("labelled", "unlabelled"):
        batch = random_batch(options.batch, options.height, options.width, options.device)
        batch["label"] = torch.randint(19, (options.batch, options.height, options.width), device=options.device)
        batch["labelled"] = torch.zeros(options.batch, dtype=torch.bool, device=options.device)
        found[role] = batch
    return found


def bare_step(method: ThreeWaysMethod, data: dict[str, Batch]) -> None:
    """The networks alone."""
    network = method.network
    labelled, unlabelled = data["labelled"]["jittered"], data["unlabelled"]["jittered"]
    first = network(labelled[:, 0], depth=True, side=True)
    outputs = [first["logits"].mean(), first["side_logits"].mean(), *(d.mean() for d in first["disparities"].values())]
    with torch.no_grad():
        method.mean_teacher.network(unlabelled[:, 0])
    second = network(unlabelled[:, 0], segmentation=False, depth=True)
    outputs += [d.mean() for d in second["disparities"].values()]
    pose: Any = method.pose
    for images in (labelled, unlabelled):
        for pair in PAIRS:
            axis_angle, translation, _ = pose(images[:, list(pair)])
            outputs += [axis_angle.mean(), translation.mean()]
    outputs.append(network(unlabelled[:, 0])["logits"].mean())
    torch.stack(outputs).sum().backward()


def full_step(method: ThreeWaysMethod, data: dict[str, Batch], optimizer: torch.optim.Optimizer | None) -> None:
    """What training does with batches that are already on the device."""
    losses = method(data, 0)
    torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum().backward()
    if optimizer is not None:
        optimizer.step()
        method.after_step(0)


def main() -> None:
    parser = step_options(__doc__, 128, 256, batch=2, rounds=7)
    parser.add_argument("--aspp", action="store_true", help="the paper's decoder, with its spatial pyramid")
    parser.add_argument("--output_stride", type=int, help="16 as in the paper")
    options = parser.parse_args()
    method, data = build(options), batches(options)
    trained = [value for group in method.parameter_groups() for value in group["params"]]
    sgd = torch.optim.SGD(trained, lr=1e-6, momentum=0.9, foreach=True)
    calls = {
        "bare passes": lambda: bare_step(method, data),
        "full": lambda: full_step(method, data, None),
        "full + SGD + teacher": lambda: full_step(method, data, sgd),
    }
    times = in_turn(calls, options.rounds, options.device, lambda: method.zero_grad(set_to_none=True))
    about = {"encoder": options.encoder, "decoder": "three_ways" if options.aspp else "monodepth2",
             "size": f"{options.height}x{options.width}", "batch": options.batch}  # fmt: skip
    rows = [{**about, **row, **stamp(options.device)} for row in ratio_rows(times, "bare passes")]
    if options.out:
        append_rows(options.out, rows)


if __name__ == "__main__":
    main()
