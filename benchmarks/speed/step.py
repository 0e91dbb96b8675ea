"""Speed of a depth training step: the whole step against the bare forward and backward of the same networks.

    python benchmarks/speed/step.py                   # 192 x 640, batch 4, ResNet-18 (a few minutes on a CPU)
    python benchmarks/speed/step.py --height 96 --width 192 --batch 8 --encoder efficientnet_lite0

Variants are timed in turn, round after round, in one process, and compared as ratios of medians: absolute times on a
shared machine mean little. Writes one CSV row a variant to ``--out``.
"""

import argparse
import csv
import platform
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from vergence import __version__
from vergence.data.dataset import FrameOptions
from vergence.methods.depth import DepthConfig, DepthMethod
from vergence.models.depth_network import DepthNetworkConfig, PoseConfig


def random_batch(batch: int, height: int, width: int, device: str) -> dict[str, torch.Tensor]:
    """One target and two sources of noise that is smooth enough to be warped."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch * 3, 3, height // 8, width // 8, generator=generator)
    frames = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear").view(
        batch, 3, 3, height, width
    )
    intrinsics = torch.tensor([[0.58 * width, 0, 0.5 * width], [0, 1.92 * height, 0.5 * height], [0, 0, 1.0]])
    frames = frames.contiguous().to(device)
    return {
        "frames": frames,
        "jittered": frames,
        "intrinsics": intrinsics.expand(batch, 3, 3, 3).to(device),
        "stereo_transform": torch.eye(4).expand(batch, 4, 4).to(device),
        "available": torch.ones(batch, 3, dtype=torch.bool, device=device),
        "intrinsics_known": torch.ones(batch, dtype=torch.bool, device=device),
    }


def build(options: argparse.Namespace, channels_last: bool) -> DepthMethod:
    torch.manual_seed(0)
    config = DepthConfig(
        network=DepthNetworkConfig(encoder=options.encoder, weights="none"),
        pose=PoseConfig(encoder=options.encoder, weights="none"),
    )
    method = DepthMethod(config, FrameOptions(height=options.height, width=options.width)).to(options.device).train()
    return method.to(memory_format=torch.channels_last) if channels_last else method


def bare_step(method: DepthMethod, batch: dict[str, torch.Tensor]) -> None:
    """Forward and backward of the depth network and of the pose network on both pairs, nothing else."""
    images = batch["jittered"]
    outputs = [disparity.mean() for disparity in method.network(images[:, 0]).values()]
    assert method.pose is not None
    for pair in ((1, 0), (0, 2)):
        axis_angle, translation, _ = method.pose(images[:, list(pair)])
        outputs += [axis_angle.mean(), translation.mean()]
    torch.stack(outputs).sum().backward()


def full_step(method: DepthMethod, batch: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer | None) -> None:
    """What training does with a batch that is already on the device."""
    losses = method({"unlabelled": batch}, 0)
    torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum().backward()
    if optimizer is not None:
        optimizer.step()


def timed(call: Callable[[], None], method: DepthMethod, device: str) -> float:
    method.zero_grad(set_to_none=True)
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true", help="add torch.compile (minutes at the first step)")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    table = variants(options)
    times: dict[str, list[float]] = {name: [] for name in table}
    for turn in range(options.rounds + 1):  # the first round warms up
        for name, (method, call) in table.items():
            seconds = timed(call, method, options.device)
            if turn:
                times[name].append(seconds)
    base = statistics.median(times["bare, channels_last"])
    rows = []
    print(
        f"{options.encoder} {options.height}x{options.width} batch {options.batch} on {options.device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {options.rounds} rounds"
    )
    print(f"{'variant':34} {'s/step':>8} {'images/s':>9} {'ratio':>7}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:34} {median:8.3f} {options.batch / median:9.2f} {median / base:7.2f}")
        rows.append({"variant": name, "seconds": round(median, 4), "ratio": round(median / base, 3)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if options.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"peak memory {peak:.2f} GiB; ratios are to the bare networks, channels_last")
    if options.out:
        stamp = {
            "encoder": options.encoder,
            "size": f"{options.height}x{options.width}",
            "batch": options.batch,
            "device": torch.cuda.get_device_name() if options.device == "cuda" else platform.processor() or "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "vergence": __version__,
            "peak_gib": round(peak, 2),
        }
        new = not options.out.exists()
        with options.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=[*stamp, *rows[0]])
            if new:
                writer.writeheader()
            writer.writerows([stamp | row for row in rows])


if __name__ == "__main__":
    main()
