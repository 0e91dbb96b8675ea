"""What a manifest of many frames costs: ``python -m benchmarks.scale.manifest --frames 1000000``.

Writes a drive of that many frames (1,000 a sequence, two splits, a label every hundredth) once, then, each in a process
of its own, does what a training does with it, beside the same with one Python object a frame.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from vergence.data.frame_row import FrameRow
from vergence.data.manifest import Manifest
from vergence.data.structured import read_lines

SEQUENCE, SAMPLES = 1000, 100_000
T = TypeVar("T")


def drive(frames: int) -> Iterator[FrameRow]:
    """Rows as a layout makes them."""
    for frame in range(frames):
        sequence, position = divmod(frame, SEQUENCE)
        labelled = frame % 100 == 0
        yield FrameRow(
            image=f"drive_{sequence:06d}/front/{position:06d}.jpg",
            sequence=f"drive_{sequence:06d}",
            position=position,
            split="val" if sequence % 10 == 0 else "train",
            camera="front",
            fx=0.8,
            fy=1.4,
            cx=0.5,
            cy=0.5,
            width=1280,
            height=720,
            fps=10.0,
            label=f"labels/{frame}.png" if labelled else "",
            label_space="cityscapes19" if labelled else "",
        )


def columns(path: Path) -> None:
    """Open, split, digest and neighbours of a manifest."""
    print(f"{'before':>16}  peak {_memory('/proc/self/status', 'VmHWM'):.0f} MB")
    manifest = _timed("open", lambda: Manifest.read(path))
    training = _timed("split", lambda: manifest.select("train"))
    _timed("digest", training.digest)
    _timed("neighbours", lambda: training.neighbours(1))
    process = multiprocessing.get_context("fork").Process(target=load, args=(training,))
    process.start()
    process.join()


def load(manifest: Manifest) -> None:
    """What a loading process asks of 100,000 samples drawn at random, and how much memory becomes its own."""
    before = _memory("/proc/self/smaps_rollup", "Private_Dirty")
    for row in np.random.default_rng(0).integers(len(manifest), size=SAMPLES).tolist():
        for index in (row, manifest.neighbour(row, -1), manifest.neighbour(row, 1)):
            if index is not None:
                manifest.path(index)
                manifest[index]
    print(f"{'loading':>16}  grows by {_memory('/proc/self/smaps_rollup', 'Private_Dirty') - before:.0f} MB")


def objects(path: Path) -> None:
    """The same frames as one object each, with a dictionary of places."""
    manifest = Manifest.read(path)
    rows = _timed("rows as objects", lambda: tuple(manifest))
    _timed("their places", lambda: {(row.sequence, row.camera, row.position): k for k, row in enumerate(rows)})


def _memory(file: str, name: str) -> float:
    """A line of Linux's account of this process, in MB; ``ru_maxrss`` would begin with that of the parent."""
    return next(int(line.split()[1]) / 1e3 for line in read_lines(file) if line.startswith(name))


def _timed(name: str, work: Callable[[], T]) -> T:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    print(
        f"{name:>16}  {time.perf_counter() - wall:7.2f} s  {time.process_time() - cpu:7.2f} s of CPU  "
        f"peak {_memory('/proc/self/status', 'VmHWM'):7.0f} MB",
        flush=True,
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--objects", action="store_true", help="measure objects, too")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.parquet"
        Manifest(drive(options.frames), folder).write(path)
        for work in (columns, objects) if options.objects else (columns,):
            process = context.Process(target=work, args=(path,))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
