"""What sharing out costs: the files of a folder from one process, and from shards that are joined.

    python -m benchmarks.speed.shards --frames kitti/images --count 300 --total 4

Processor time of all threads, in turn in one process: it says what the work costs where others use the machine too.
The shards are done one after another; what counts is their sum beside one process, the join, and the bytes of a frame's
files. Weights are random. Adds CSV rows to ``--out``.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed.common import append_rows, stamp
from benchmarks.speed.predict import build, pictures, small_network_parser
from vergence.api import predict


def cpu(call: Callable[[], object]) -> float:
    """Seconds of processor time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = small_network_parser(__doc__)
    parser.add_argument("--count", type=int, default=300, help="of pictures")
    parser.add_argument("--total", type=int, default=4, help="shards")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "shards.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run: Any = build(options, folder)
        frames = pictures(options, folder)
        seconds: dict[str, list[float]] = {"one process": [], "shards": [], "join": []}
        for _ in range(options.rounds):
            whole, out = folder / "whole", folder / "out"
            for place in (whole, out):
                shutil.rmtree(place, ignore_errors=True)
            found = {
                "one process": cpu(partial(predict, run, frames, whole)),
                "shards": sum(
                    cpu(partial(predict, run, frames, out, shard=f"{number}/{options.total}"))
                    for number in range(options.total)
                ),
                "join": cpu(partial(predict, run, frames, out)),
            }
            for name, value in found.items():
                seconds[name].append(value)
        sizes = {kind: sum(path.stat().st_size for path in (whole / kind).iterdir()) for kind in ("depth", "colour")}
    rows = []
    for name, values in seconds.items():
        ratio = statistics.median(one / base for one, base in zip(values, seconds["one process"], strict=True))
        row = {"variant": name, "cpu_ms": round(1000 * statistics.median(values) / options.count, 2)}
        rows.append(
            row | {"cpu_ratio": round(ratio, 3), "shards": options.total, "pictures": options.count,
                   "picture": "{}x{}".format(*options.picture), "network": "{}x{}".format(*options.size),
                   "encoder": options.encoder, "rounds": options.rounds,
                   "depth_kb": round(sizes["depth"] / options.count / 1000, 1),
                   "colour_kb": round(sizes["colour"] / options.count / 1000, 1), **stamp("cpu")}
        )  # fmt: skip
        print(row | {"cpu_ratio": round(ratio, 3)})
    append_rows(options.out, rows)


if __name__ == "__main__":
    main()
