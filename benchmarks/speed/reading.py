"""Speed of reading frames: JPEG files to training size, without a cache, by each way of resizing.

    python -m benchmarks.speed.reading --frames kitti/images

Frames are enlarged to a camera's size and stored as JPEG; all ways read the same ones in turn, round after round, in
one thread. Ratios are of the same round, their median is given; processor time is what counts where others use the
machine too. Differences are to exact Lanczos, in levels of 255. Adds CSV rows to ``--out``.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from benchmarks.speed.common import append_rows, stamp
from vergence.data.frame_options import FrameOptions
from vergence.data.frame_reader import FrameReader
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

CASES = {(1242, 375): (640, 192), (1920, 1080): (640, 384), (640, 193): (640, 192)}
WAYS: tuple[Literal["lanczos", "bicubic", "bilinear", "fast"], ...] = ("lanczos", "bicubic", "bilinear", "fast")


def measured(
    frames: Path, camera: tuple[int, int], size: tuple[int, int], count: int, rounds: int
) -> list[dict[str, Any]]:
    """A row for each way."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(sorted(frames.iterdir())[:count]):
            with Image.open(path) as image:
                enlarged = image.convert("RGB").resize(camera, Image.Resampling.BICUBIC)
            enlarged.save(Path(folder) / f"{number}.jpg", quality=92)
        manifest = Manifest(
            [FrameRow(f"{k}.jpg", "s", k, width=camera[0], height=camera[1]) for k in range(count)], Path(folder)
        )
        readers = {
            way: FrameReader(manifest, FrameOptions(height=size[1], width=size[0], offsets=(), resampling=way))
            for way in WAYS
        }
        read = {
            way: np.stack([reader.frames(k, reader.paths(k))[0] for k in range(count)])
            for way, reader in readers.items()
        }
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, reader in readers.items():
                start = time.process_time()
                for k in range(count):
                    reader.frames(k, reader.paths(k))
                seconds[way].append(time.process_time() - start)
    rows = []
    for way in WAYS:
        ratio = statistics.median(a / b for a, b in zip(seconds["lanczos"], seconds[way], strict=True))
        difference = np.abs(read[way].astype(int) - read["lanczos"])
        rows.append(
            {
                "stored": "x".join(map(str, camera)), "working": "x".join(map(str, size)), "resampling": way,
                "frames_per_cpu_second": round(count / statistics.median(seconds[way])),
                "times_as_fast": round(ratio, 2), "mean_difference": round(float(difference.mean()), 3),
                "largest_of_99.9_percent": round(float(np.percentile(difference, 99.9))),
                "largest": int(difference.max()), "load": round(os.getloadavg()[0], 1), "pictures": count,
                "rounds": rounds, **stamp("cpu"),
            }
        )  # fmt: skip
        print(*rows[-1].values(), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "reading.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for camera, size in CASES.items():
        append_rows(options.out, measured(options.frames, camera, size, options.count, options.rounds))


if __name__ == "__main__":
    main()
