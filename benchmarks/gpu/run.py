"""What a GPU is asked for, in one go under ten minutes: ``python -m benchmarks.gpu.run OUT`` (``--dry`` on a CPU).

Correctness of every method against the CPU (float32, bf16), a step of each in which waiting for the device is an
error, tables of the profiler, images a second of the paper-exact recipes in float32, bf16, channels_last and compiled
beside the bare network, the loader, and two NCCL processes where there are two devices. ``OUT/gpu.csv`` has a row for
each, written as it is known; what no time was left for has a row that says so. ``--dry`` runs the same on a CPU at
toy sizes, to try the script: its figures mean nothing.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.checks import ALL, Row, correctness, waiting
from benchmarks.gpu.speed import COMPILED, RECIPES, VARIANTS, loading, speeds
from benchmarks.speed.common import stamp
from tests.device_loops import write_towns
from vergence.data.toytown import TownOptions, write_toytown

COLUMNS = ("part", "name", "variant", "value", "unit", "ratio", "note")


class Table:
    """Rows of a CSV file, written and shown one by one until time is up."""

    def __init__(self, file: Path, device: str, minutes: float) -> None:
        self.file, self.stamp, self.end, self.failed = file, stamp(device), time.monotonic() + 60 * minutes, 0
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.DictWriter(out, [*COLUMNS, *self.stamp]).writeheader()

    def add(self, row: Row) -> None:
        """Append a row."""
        print("  ".join(str(row[key]) for key in COLUMNS if key in row), flush=True)
        with self.file.open("a", newline="", encoding="utf-8") as out:
            csv.DictWriter(out, [*COLUMNS, *self.stamp]).writerow(row | self.stamp)

    def take(self, part: str, name: str, rows: Callable[[], Iterable[Row]]) -> None:
        """All rows of a part; one that fails says why and ends no other."""
        if time.monotonic() > self.end:
            self.add({"part": part, "name": name, "note": "not run: no time left"})
            return
        try:
            for row in rows():
                self.add(row)
                self.failed += str(row.get("note")).startswith(("WRONG", "WAITS"))
        except Exception as error:  # the others are still worth their time
            self.failed += 1
            traceback.print_exc()
            self.add({"part": part, "name": name, "note": f"FAILED: {' '.join(str(error).split())[:200]}"})


def large_towns(folder: Path, dry: bool) -> dict[str, Path]:
    """Two toy towns of the recipes' size."""
    width, height, frames = (128, 64, 4) if dry else (1024, 512, 8)
    splits: Any = {"train": 2, "val": 1}
    return {
        style: write_toytown(folder / style, TownOptions(width=width, height=height, style=style), splits, frames)
        for style in ("clear", "dusk")
    }


def two_processes(town: Path, folder: Path) -> list[Row]:
    """A short training on two devices over NCCL."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "vergence",
        "train", "depth-toytown-tiny", "--data", str(town), "--out", str(folder / "two"), "--train.steps", "20",
        "--network.weights", "none", "--pose.weights", "none", "--train.sync_batchnorm", "true",
    ]  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=dict(os.environ))
    note = "trained" if done.returncode == 0 else f"FAILED: {done.stderr.strip()[-200:]}"
    return [{"part": "two processes", "name": "depth-toytown-tiny", "value": f"{time.monotonic() - start:.0f}",
             "unit": "seconds, start included", "note": note}]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for gpu.csv and the profiler's tables")
    parser.add_argument("--dry", action="store_true", help="on a CPU at toy sizes, to try the script")
    parser.add_argument("--minutes", type=float, default=8.0, help="no part begins later than this")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        raise SystemExit("there is no GPU that PyTorch sees; try the script with --dry.")
    device = "cpu" if options.dry else "cuda"
    options.out.mkdir(parents=True, exist_ok=True)
    table = Table(options.out / "gpu.csv", device, options.minutes)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "small").mkdir()
        towns = write_towns(folder / "small")
        large = large_towns(folder / "large", options.dry)
        for name in ALL:
            (here := folder / f"checks of {name}").mkdir()
            for part, check in (("correctness", correctness), ("waiting", waiting)):
                table.take(part, name, partial(check, device, here, towns, [name]))
        for recipe in RECIPES:
            speed = partial(speeds, VARIANTS, recipe, device, options.out, folder, large, options.dry)
            table.take("speed", recipe, speed)
        table.take("loader", "depth-kitti", lambda: loading(device, folder, large, options.dry))
        if torch.cuda.device_count() > 1:
            table.take("two processes", "depth-toytown-tiny", lambda: two_processes(large["clear"], folder))
        else:
            table.add({"part": "two processes", "note": "not run: fewer than two devices"})
        for recipe in RECIPES if not options.dry else ():  # last: a compiler takes minutes
            (here := folder / "compiled").mkdir(exist_ok=True)
            compiled = partial(speeds, COMPILED, recipe, device, options.out, here, large, options.dry)
            table.take("compiled", recipe, compiled)
    raise SystemExit(bool(table.failed))


if __name__ == "__main__":
    main()
