"""Speed of a depth training step: the whole step against the bare forward and backward of the same networks.

    python -m benchmarks.speed.step                   # 192 x 640, batch 4, ResNet-18 (a few minutes on a CPU)
    python -m benchmarks.speed.step --height 96 --width 192 --batch 8 --encoder efficientnet_lite0

Variants are timed in turn, round after round, in one process, and compared as ratios of medians: absolute times on a
shared machine mean little. Writes one CSV row a variant to ``--out``.
"""

import argparse
import resource
from collections.abc import Callable, Iterable
from typing import Any

import torch

from benchmarks.speed.common import append_rows, channels_last, in_turn, random_batch, stamp, step_options
from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.methods.base import Method
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.settings.networks import DepthNetworkConfig, PoseConfig


def build(options: argparse.Namespace, last: bool) -> DepthMethod:
    torch.manual_seed(0)
    config = DepthConfig(
        network=DepthNetworkConfig(encoder=options.encoder, weights="none"),
        pose=PoseConfig(encoder=options.encoder, weights="none"),
    )
    method = DepthMethod(config, FrameOptions(height=options.height, width=options.width)).to(options.device).train()
    return channels_last(method) if last else method


def bare_step(method: DepthMethod, batch: Batch) -> None:
    """Forward and backward of the depth network and of the pose network on both pairs, nothing else."""
    images = batch["jittered"]
    outputs = [disparity.mean() for disparity in method.network(images[:, 0]).values()]
    pose: Any = method.pose
    for pair in ((1, 0), (0, 2)):
        axis_angle, translation, _ = pose(images[:, list(pair)])
        outputs += [axis_angle.mean(), translation.mean()]
    torch.stack(outputs).sum().backward()


def full_step(method: Method, batch: Batch, optimizer: torch.optim.Optimizer | None) -> None:
    """What training does with a batch that is already on the device."""
    losses = method({"unlabelled": batch}, 0)
    torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum().backward()
    if optimizer is not None:
        optimizer.step()


def variants(options: argparse.Namespace) -> dict[str, tuple[DepthMethod, Callable[[], None]]]:
    batch = random_batch(options.batch, options.height, options.width, options.device)
    plain, last = build(options, False), build(options, True)
    adam = torch.optim.Adam(last.parameters(), lr=1e-4, foreach=True)

    def low_precision() -> None:
        with torch.autocast(options.device, dtype=torch.bfloat16):
            full_step(last, batch, None)

    table: dict[str, tuple[DepthMethod, Callable[[], None]]] = {
        "bare, channels_last": (last, lambda: bare_step(last, batch)),
        "full, channels_last (default)": (last, lambda: full_step(last, batch, None)),
        "full + Adam, channels_last": (last, lambda: full_step(last, batch, adam)),
        "bare, contiguous": (plain, lambda: bare_step(plain, batch)),
        "full, contiguous": (plain, lambda: full_step(plain, batch, None)),
        "full, channels_last, bf16": (last, low_precision),
    }
    if options.compile:
        compiled = build(options, True)
        compiled.compile()
        table["full, channels_last, compiled"] = (compiled, lambda: full_step(compiled, batch, None))
    return table


def zero_gradients(methods: Iterable[Method]) -> None:
    for method in methods:
        method.zero_grad(set_to_none=True)


def main() -> None:
    parser = step_options(__doc__)
    parser.add_argument("--compile", action="store_true", help="add torch.compile (minutes at the first step)")
    options = parser.parse_args()
    table = variants(options)
    calls = {name: call for name, (_, call) in table.items()}
    times = in_turn(
        calls, options.rounds, options.device, lambda: zero_gradients(method for method, _ in table.values())
    )
    base = times["bare, channels_last"]
    rows = []
    print(
        f"{options.encoder} {options.height}x{options.width} batch {options.batch} on {options.device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.rounds} rounds"
    )
    print(f"{'variant':34} {'s/step':>8} {'images/s':>9} {'ratio':>7}")
    for name, median in times.items():
        print(f"{name:34} {median:8.3f} {options.batch / median:9.2f} {median / base:7.2f}")
        rows.append({"variant": name, "seconds": round(median, 4), "ratio": round(median / base, 3)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if options.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"peak memory {peak:.2f} GiB; ratios are to the bare networks, channels_last")
    if options.out:
        about = {"encoder": options.encoder, "size": f"{options.height}x{options.width}", "batch": options.batch}
        append_rows(options.out, [about | stamp(options.device) | {"peak_gib": round(peak, 2)} | row for row in rows])


if __name__ == "__main__":
    main()
