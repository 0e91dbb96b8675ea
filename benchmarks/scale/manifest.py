"""What a manifest of many frames costs: ``python -m benchmarks.scale.manifest --frames 100000 1000000 10000000``.

Writes a drive of that many frames (1,000 a sequence, two splits, a label every hundredth) once, then, each in a process
of its own, does what a training does with it, with ``--objects`` beside the same with one Python object a frame. Adds
a CSV row for each number of frames to ``--out``: processor seconds, and memory above that at the start of the process.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vergence.data.manifest import Manifest
from vergence.data.structured import read_lines

SEQUENCE, SAMPLES, AT_ONCE = 1000, 100_000, 100_000
T = TypeVar("T")


def write_drive(path: Path, frames: int) -> None:
    """A manifest as a layout makes it; ``frames`` is a multiple of a hundred thousand."""
    positions, sequences = AT_ONCE // SEQUENCE, np.arange(AT_ONCE) // SEQUENCE
    names, places = pa.array([f"{k:06d}.jpg" for k in range(SEQUENCE)]), np.arange(AT_ONCE) % SEQUENCE
    writer = None
    for start in range(0, frames, AT_ONCE):
        first = start // SEQUENCE
        drives = pa.array([f"drive_{first + k:06d}" for k in range(positions)]).take(pa.array(sequences))
        labels = [f"labels/{k}.png" if k % 100 == 0 else "" for k in range(start, start + AT_ONCE)]
        piece = pa.table(
            {
                "image": pc.binary_join_element_wise(drives, "front", names.take(pa.array(places)), "/"),
                "sequence": drives,
                "position": places,
                "split": pa.array(["val", *["train"] * 9]).take(pa.array((first + sequences) % 10)),
                "camera": ["front"] * AT_ONCE,
                **{name: np.full(AT_ONCE, value) for name, value in CAMERA.items()},
                "label": labels,
                "label_space": ["cityscapes19" if label else "" for label in labels],
            }
        )
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    if writer is not None:
        writer.close()


CAMERA: dict[str, float] = {"fx": 0.8, "fy": 1.4, "cx": 0.5, "cy": 0.5, "width": 1280, "height": 720, "fps": 10.0}


def columns(path: Path, results: Any) -> None:
    """Open, split, digest and neighbours of a manifest."""
    start, seconds = _memory("/proc/self/status", "VmHWM"), dict[str, float]()
    manifest = _timed("open", lambda: Manifest.read(path), seconds)
    training = _timed("split", lambda: manifest.select("train"), seconds)
    _timed("digest", training.digest, seconds)
    _timed("neighbours", lambda: training.neighbours(1), seconds)
    row = {"frames": len(manifest), **seconds, "peak_mb": round(_memory("/proc/self/status", "VmHWM") - start)}
    context = multiprocessing.get_context("fork")
    grown = context.Queue()
    process = context.Process(target=load, args=(training, grown))
    process.start()
    results.put(row | {"loading_mb": grown.get()})
    process.join()


def load(manifest: Manifest, grown: Any) -> None:
    """What a loading process asks of 100,000 samples drawn at random, and how much memory becomes its own."""
    before = _memory("/proc/self/smaps_rollup", "Private_Dirty")
    for row in np.random.default_rng(0).integers(len(manifest), size=SAMPLES).tolist():
        for index in (row, manifest.neighbour(row, -1), manifest.neighbour(row, 1)):
            if index is not None:
                manifest.path(index)
                manifest[index]
    grown.put(round(_memory("/proc/self/smaps_rollup", "Private_Dirty") - before))


def objects(path: Path, results: Any) -> None:
    """The same frames as one object each, with a dictionary of places."""
    manifest, seconds = Manifest.read(path), dict[str, float]()
    start = _memory("/proc/self/status", "VmHWM")
    rows = _timed("rows as objects", lambda: tuple(manifest), seconds)
    _timed("their places", lambda: {(row.sequence, row.camera, row.position): k for k, row in enumerate(rows)}, seconds)
    results.put({"objects_mb": round(_memory("/proc/self/status", "VmHWM") - start)})


def _memory(file: str, name: str) -> float:
    """A line of Linux's account of this process, in MB; ``ru_maxrss`` would begin with that of the parent."""
    return next(int(line.split()[1]) / 1e3 for line in read_lines(file) if line.startswith(name))


def _timed(name: str, work: Callable[[], T], seconds: dict[str, float]) -> T:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds[f"{name.replace(' ', '_')}_s"] = round(time.process_time() - cpu, 2)
    print(f"{name:>16}  {time.perf_counter() - wall:7.2f} s  {time.process_time() - cpu:7.2f} s of CPU", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[100_000])
    parser.add_argument("--objects", action="store_true", help="measure objects, too")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for frames in options.frames:
            path, row = Path(folder) / f"{frames}.parquet", dict[str, Any]()
            write_drive(path, frames)
            for work in (columns, objects) if options.objects else (columns,):
                results = context.Queue()
                process = context.Process(target=work, args=(path, results))
                process.start()
                row |= results.get()
                process.join()
            path.unlink()
            row["load"] = round(os.getloadavg()[0], 1)
            print(row, flush=True)
            if options.out:
                from benchmarks.speed.common import append_rows

                append_rows(options.out, [row])


if __name__ == "__main__":
    main()
