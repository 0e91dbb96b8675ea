"""What frames kept in shards cost beside a file for each: ``python -m benchmarks.scale.cache --frames 2000``.

Both keep the same random frames in a fresh folder and read them back in the same random order, in turn, round after
round; with ``--cold`` the system is asked to forget what it holds of the files before each reading. Ratios are of the
same round, their median is given. Adds a CSV row for each way to ``--out``.
"""

import argparse
import os
import statistics
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.caching.cache import FrameCache

Frame = NDArray[np.uint8]
_HEADER = struct.Struct("<4sIII")


class Files:
    """A file for each frame, as versions before 0.2 kept them: written beside its place, and renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, name: bytes, frame: Frame, size: tuple[int, int]) -> None:
        path = self._path(name)
        path.parent.mkdir(exist_ok=True)
        with path.with_suffix(".tmp").open("wb") as file:
            file.write(_HEADER.pack(b"VGF2", *size, zlib.crc32(frame.data)))
            file.write(frame.data)
        os.replace(path.with_suffix(".tmp"), path)

    def load(self, name: bytes, out: Frame) -> bool:
        with self._path(name).open("rb", buffering=0) as file:
            checksum = _HEADER.unpack(file.read(_HEADER.size))[-1]
            file.readinto(out.data.cast("B"))
            return not file.read(1) and bool(checksum == zlib.crc32(out.data))

    def _path(self, name: bytes) -> Path:
        return self.folder / name.hex()[:2] / f"{name.hex()[2:]}.frame"


def measured(way: Any, names: list[bytes], frame: Frame, store: bool) -> float:
    """Processor seconds of storing or reading frames."""
    start, out = time.process_time(), np.empty_like(frame)
    for name in names:
        if store:
            way.store(name, frame, (375, 1242))
        else:
            assert way.load(name, out)
    return time.process_time() - start


def forget(folder: Path) -> None:
    """Ask the system to hold nothing of the files of a folder in memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def taken(folder: Path) -> tuple[int, int]:
    """Number of files, and bytes on the disk."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return len(paths), sum(path.stat().st_blocks * 512 for path in paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", type=int, nargs=2, default=(192, 640), help="height and width")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (3, *options.size), dtype=np.uint8)
    names = [rng.bytes(16) for _ in range(options.frames)]
    with tempfile.TemporaryDirectory() as folder:
        folders = {"files": Path(folder) / "files", "shards": Path(folder) / "shards"}
        for one in folders.values():
            one.mkdir()
        makers: dict[str, Callable[[Path], Any]] = {
            "files": Files,
            "shards": lambda one: FrameCache(one, *options.size),
        }
        ways = {name: makers[name](one) for name, one in folders.items()}
        stored = {name: measured(way, names, frame, store=True) for name, way in ways.items()}
        ways["shards"] = makers["shards"](folders["shards"])  # another process, which reads the tables
        read: dict[str, list[float]] = {name: [] for name in ways}
        clock: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            order = [names[k] for k in rng.permutation(len(names))]
            for name, way in ways.items():
                if options.cold:
                    forget(folders[name])
                start = time.perf_counter()
                read[name].append(measured(way, order, frame, store=False))
                clock[name].append(time.perf_counter() - start)
        rows = []
        for name in ways:
            files, size = taken(folders[name])
            pairs = zip(read["files"], read[name], strict=True), zip(clock["files"], clock[name], strict=True)
            rows.append(
                {
                    "way": name, "frames": options.frames, "working": "x".join(map(str, options.size[::-1])),
                    "files": files, "bytes_a_frame": round(size / options.frames),
                    "store_cpu_ms": round(1000 * stored[name] / options.frames, 3),
                    "read_cpu_ms": round(1000 * statistics.median(read[name]) / options.frames, 3),
                    "times_as_fast_cpu": round(statistics.median(a / b for a, b in pairs[0]), 2),
                    "times_as_fast_clock": round(statistics.median(a / b for a, b in pairs[1]), 2),
                    "disk": "cold" if options.cold else "in memory", "rounds": options.rounds,
                    "load": round(os.getloadavg()[0], 1),
                }
            )  # fmt: skip
            print(rows[-1], flush=True)
    if options.out:
        from benchmarks.speed.common import append_rows

        append_rows(options.out, rows)


if __name__ == "__main__":
    main()
