"""What Ray costs a frame of ``predict``, and what a second worker brings: one process beside one and two actors.

    python -m benchmarks.scale.ray_frames --frames kitti/images --counts 16 128

Each variant predicts few frames and many, so that what is once for a call (starting, loading, joining) falls out:
seconds a frame are the slope. Variants take turns, round after round; ratios are of the same round, their median is
given. Ray's processes are started before the clock and ended after it. Processor seconds are of this process and all
below it: they change little where others use the machine, which wall time does; ``load`` is the machine's load average
meanwhile, and ``cores`` what there is for all of it. Weights are random. Adds CSV rows to ``--out``.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.speed.common import append_rows, stamp
from benchmarks.speed.predict import pictures, small_network_parser
from vergence.api import predict
from vergence.methods.registry import method_named
from vergence.runs.checkpoint import write_checkpoint
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder

_TICK = os.sysconf("SC_CLK_TCK")


def stored(options: argparse.Namespace, folder: Path) -> Path:
    """A run with random weights, which other processes can load."""
    torch.manual_seed(0)
    settings = {"network.encoder": options.encoder, "network.weights": "none", "pose.weights": "none"}
    config = load_config("depth-kitti", settings)
    config.frames.options.width, config.frames.options.height = options.size
    method = method_named("depth")(config.section, config.frames.options, 0)
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.write_recipe(config.to_dict())
    write_checkpoint(run, 1, config, method.state_dict(), {}, {"optimizer": {}, "random": [], "window": {}})
    return run.path


def processor_seconds() -> float:
    """Of this process and all below it, those that have ended and were waited for among them."""
    below, ticks = {os.getpid()}, 0
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            stats[int(folder.name)] = (int(words[1]), sum(map(int, words[11:15])))
    grown = True
    while grown:
        more = {process for process, (parent, _) in stats.items() if parent in below} - below
        below |= more
        grown = bool(more)
    ticks = sum(stats[process][1] for process in below if process in stats)
    return ticks / _TICK


def cost(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    before, start = processor_seconds(), time.perf_counter()
    call()
    return time.perf_counter() - start, processor_seconds() - before


def on_ray(run: Path, frames: Path, out: Path, count: int, workers: int) -> tuple[float, float]:
    """A prediction in so many actors of a cluster on this machine."""
    import ray

    ray.init("local", num_cpus=workers, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False)
    try:
        return cost(partial(predict, run, frames, out, limit=count, engine="ray", device="cpu"))
    finally:
        ray.shutdown()


def main() -> None:
    parser = small_network_parser(__doc__)
    parser.add_argument("--counts", type=int, nargs=2, default=(16, 128), help="frames of the short and the long call")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ray_frames.csv")
    options = parser.parse_args()
    options.count = options.counts[1]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers give way to all that the machine does
    torch.set_num_threads(1)
    slopes: dict[str, list[tuple[float, float]]] = {"one process": [], "ray, 1 worker": [], "ray, 2 workers": []}
    fixed: dict[str, list[float]] = {name: [] for name in slopes}
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run, frames, out = stored(options, folder), pictures(options, folder), folder / "out"
        for _ in range(options.rounds):
            for workers, name in enumerate(slopes):
                found = []
                for count in options.counts:
                    shutil.rmtree(out, ignore_errors=True)
                    if workers:
                        found.append(on_ray(run, frames, out, count, workers))
                    else:
                        found.append(cost(partial(predict, run, frames, out, limit=count, device="cpu")))
                    loads.append(os.getloadavg()[0])
                more = options.counts[1] - options.counts[0]
                wall, cpu = ((found[1][kind] - found[0][kind]) / more for kind in (0, 1))
                slopes[name].append((wall, cpu))
                fixed[name].append(found[0][0] - options.counts[0] * wall)
                print(f"{name}: wall {1000 * wall:.1f} ms, processor {1000 * cpu:.1f} ms a frame", flush=True)
    rows = []
    for name, values in slopes.items():
        ratios = [
            statistics.median(one[kind] / base[kind] for one, base in zip(values, slopes["one process"], strict=True))
            for kind in (0, 1)
        ]
        wall, cpu = (1000 * statistics.median(one[kind] for one in values) for kind in (0, 1))
        row = {"variant": name, "wall_ratio": round(ratios[0], 3), "cpu_ratio": round(ratios[1], 3),
               "wall_ms": round(wall, 1), "cpu_ms": round(cpu, 1),
               "once_s": round(statistics.median(fixed[name]), 1)}  # fmt: skip
        print(row)
        rows.append(
            row | {"frames": "{} to {}".format(*options.counts), "picture": "{}x{}".format(*options.picture),
                   "network": "{}x{}".format(*options.size), "encoder": options.encoder, "rounds": options.rounds,
                   "load": round(statistics.median(loads), 1), "cores": len(os.sched_getaffinity(0)), **stamp("cpu")}
        )  # fmt: skip
    options.out.parent.mkdir(exist_ok=True)
    append_rows(options.out, rows)


if __name__ == "__main__":
    main()
