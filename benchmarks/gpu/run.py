"""What a GPU is asked for, in one go under ten minutes: ``python -m benchmarks.gpu.run OUT`` (``--dry`` on a CPU).

Correctness of every method against the CPU (float32, bf16), a step of each in which waiting for the device is an
error, tables of the profiler, images a second of the paper-exact recipes in float32, bf16, channels_last and compiled
beside the bare network, the loader, two NCCL processes where there are two devices, and real-size trainings: depth at
640x192 on the real clips that may teach, at 416x128 on toy town, and claims' runs side by side. ``OUT/gpu.csv`` has a
row for each, written as it is known; what no time was left for has a row that says how much there was. A second call
goes on: rows are added, trainings continue, and runs of claims that are there are not run again. ``--dry`` runs the
same on a CPU at toy sizes, to try the script: its figures mean nothing.

Where a machine takes little at once, ``python -m benchmarks.gpu.pack DATA`` writes what depth needs of the real clips
into a folder of so many MiB; then two calls of under ten minutes each are

    python -m benchmarks.gpu.run OUT --minutes 5 --parts checks speed loader processes
    python -m benchmarks.gpu.run OUT --minutes 8 --parts depth claims --data DATA --claims mixing
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.claims.lab import SHARED, Lab
from benchmarks.gpu.checks import ALL, Row, correctness, waiting
from benchmarks.gpu.speed import COMPILED, RECIPES, VARIANTS, loading, speeds
from benchmarks.gpu.trainings import DEPTH, LEAST, SIDE_BY_SIDE, Maker, claims_of, learn_depth, run_claim
from benchmarks.speed.common import append_rows, stamp
from tests.device_loops import write_towns
from vergence.data.toytown import TownOptions, write_toytown

PARTS = ("checks", "speed", "loader", "processes", "depth", "claims", "compiled")
ON_LARGE = ("speed", "loader", "processes", "compiled")
COLUMNS = ("part", "name", "variant", "value", "unit", "ratio", "note")


class Made(NamedTuple):
    """What the parts measure on."""

    folder: Path
    large: dict[str, Path]


class Table:
    """Rows of a CSV file, written and shown one by one until time is up."""

    def __init__(self, file: Path, device: str, minutes: float) -> None:
        self.file, self.stamp, self.end, self.failed = file, stamp(device), time.monotonic() + 60 * minutes, 0

    @property
    def left(self) -> float:
        """Seconds that are left, below 0 where time is up."""
        return self.end - time.monotonic()

    def add(self, row: Row) -> None:
        """Append a row."""
        print("  ".join(str(row[key]) for key in COLUMNS if key in row), flush=True)
        append_rows(self.file, [dict.fromkeys(COLUMNS, "") | row | self.stamp])

    def take(self, part: str, name: str, rows: Callable[[], Iterable[Row]], least: float = 0.0) -> None:
        """All rows of a part that needs so many seconds; one that fails says why and ends no other."""
        if self.left < least or self.left < 0:
            self.add({"part": part, "name": name, "note": f"not run: {max(self.left, 0) / 60:.1f} minutes left"})
            return
        try:
            for row in rows():
                self.add(row)
                self.failed += str(row.get("note")).startswith(("WRONG", "WAITS", "FAILED"))
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


def checks(table: Table, device: str, folder: Path, towns: dict[str, Path]) -> None:
    """Every method against the CPU, and whether it waits."""
    for name in ALL:
        (here := folder / f"checks of {name}").mkdir()
        for part, check in (("correctness", correctness), ("waiting", waiting)):
            table.take(part, name, partial(check, device, here, towns, [name]))


def trainings(table: Table, options: argparse.Namespace, device: str, towns: dict[str, Path]) -> None:
    """Depth takes a share of the time that is left, claims the rest."""
    lab = Lab(options.out.absolute() / "lab", options.data.absolute())
    least = 0.0 if options.dry else LEAST
    for name, (made, share) in DEPTH.items() if "depth" in options.parts else ():

        def learned(name: str = name, made: Maker = made, share: float = share) -> Iterable[Row]:
            until = time.monotonic() + share * table.left
            return learn_depth(name, made(lab, towns if options.dry else None), options.out, device, until)

        table.take("depth", name, learned, least)
    for claim in claims_of(options.claims, options.dry) if "claims" in options.parts else ():
        if options.dry:
            lab.town = towns["clear"]
        run = partial(run_claim, claim, lab, options.out / "claims", options.processes, table.end)
        table.take("claim", claim.name, run, least)


def speed_rows(table: Table, variants: Sequence[str], options: argparse.Namespace, device: str, made: Made) -> None:
    """Images a second of all recipes."""
    (here := made.folder / variants[0]).mkdir(parents=True)
    part = "compiled" if variants == COMPILED else "speed"
    for recipe in RECIPES:
        call = partial(speeds, variants, recipe, device, options.out, here, made.large, options.dry)
        table.take(part, recipe, call)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for gpu.csv, the profiler's tables, scores and pictures")
    parser.add_argument("--dry", action="store_true", help="on a CPU at toy sizes, to try the script")
    parser.add_argument("--minutes", type=float, default=8.0, help="no part begins later than this")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the real driving data")
    known = [claim.name for claim in SIDE_BY_SIDE]
    parser.add_argument("--claims", nargs="+", choices=known, default=known, metavar="CLAIM", help=", ".join(known))
    parser.add_argument("--processes", type=int, default=8, help="runs of a claim at the same time")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if not options.dry and not torch.cuda.is_available():
        raise SystemExit("there is no GPU that PyTorch sees; try the script with --dry.")
    device = "cpu" if options.dry else "cuda"
    options.out.mkdir(parents=True, exist_ok=True)
    table = Table(options.out / "gpu.csv", device, options.minutes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "small").mkdir()
        towns = write_towns(folder / "small")
        if "checks" in options.parts:
            checks(table, device, folder, towns)
        large = large_towns(folder / "large", options.dry) if {*options.parts} & {*ON_LARGE} else {}
        speed = partial(speed_rows, table, options=options, device=device, made=Made(folder, large))
        if "speed" in options.parts:
            speed(VARIANTS)
        if "loader" in options.parts:
            table.take("loader", "depth-kitti", lambda: loading(device, folder, large, options.dry))
        if "processes" in options.parts and torch.cuda.device_count() > 1:
            table.take("two processes", "depth-toytown-tiny", lambda: two_processes(large["clear"], folder))
        elif "processes" in options.parts:
            table.add({"part": "two processes", "note": "not run: fewer than two devices"})
        trainings(table, options, device, towns)
        if "compiled" in options.parts and not options.dry:  # last: a compiler takes minutes
            speed(COMPILED)
    raise SystemExit(bool(table.failed))


if __name__ == "__main__":
    main()
