"""What speed benchmarks share: a batch, timing in turn, a table of ratios, CSV rows."""

import argparse
import csv
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from vergence import __version__
from vergence.data.batch import Batch

_Module = TypeVar("_Module", bound=torch.nn.Module)
Calls = Mapping[str, Callable[[], object]]


def step_options(
    about: str | None, height: int = 192, width: int = 640, batch: int = 4, rounds: int = 5
) -> argparse.ArgumentParser:
    """Options that all benchmarks of a training step have, with these defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=height)
    parser.add_argument("--width", type=int, default=width)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    return parser


def random_batch(batch: int, height: int, width: int, device: str, frames: int = 3) -> Batch:
    """A target and its sources of noise that is smooth enough to be warped."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch * frames, 3, height // 8, width // 8, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    images = images.view(batch, frames, 3, height, width).contiguous().to(device)
    intrinsics = torch.tensor([[0.58 * width, 0, 0.5 * width], [0, 1.92 * height, 0.5 * height], [0, 0, 1.0]])
    return {
        "frames": images,
        "jittered": images,
        "intrinsics": intrinsics.expand(batch, frames, 3, 3).to(device),
        "stereo_transform": torch.eye(4).expand(batch, 4, 4).to(device),
        "available": torch.ones(batch, frames, dtype=torch.bool, device=device),
        "intrinsics_known": torch.ones(batch, dtype=torch.bool, device=device),
        "index": torch.arange(batch),
        "flipped": torch.zeros(batch, dtype=torch.bool),
    }


def channels_last(module: _Module) -> _Module:
    """A module whose weights are stored channels last."""
    # the types that come along with PyTorch know no such argument
    moved: _Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def timed(call: Callable[[], object], device: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, finished on its device."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = clock()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def in_turn(calls: Calls, rounds: int, device: str, before: Callable[[], object] = lambda: None) -> dict[str, float]:
    """Median seconds of each call; all are timed in turn, round after round, after one that warms up.

    On a CPU they are seconds of the processor, of all threads: others who use the machine change these little.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            before()
            seconds = timed(call, device, clock)
            if turn:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def ratio_rows(times: Mapping[str, float], base: str) -> list[dict[str, Any]]:
    """``variant``, ``seconds`` and ``ratio`` to the variant ``base`` of each time, which are printed, too."""
    rows = []
    for name, seconds in times.items():
        ratio = seconds / times[base]
        print(f"{name:24} {seconds:8.3f} s  ratio {ratio:6.3f}")
        rows.append({"variant": name, "seconds": round(seconds, 4), "ratio": round(ratio, 3)})
    return rows


def stamp(device: str) -> dict[str, Any]:
    """What a row says of where it was measured."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "vergence": __version__,
    }


def append_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add rows to a CSV file, with a header where it is new."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)
