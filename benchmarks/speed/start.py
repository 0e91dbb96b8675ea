"""Processor time until a verb starts working: user and system time of all that its process does before.

    python -m benchmarks.speed.start

Verbs that run a network are measured up to its first pass, training also to the end of its first step, the rest to
their end; each in a process of its own on a small rendered town, with the source compiled as an installed package has
it. The median of ``--rounds`` rounds, in which all take turns, beside the machine's load, which makes processor time
longer where threads share a core: there the ratio to ``import torch`` alone tells more.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WORKS = "works at"
TORCH = "import torch"
CHILD = f"""
import resource, sys
if sys.argv[1] == "torch":
    import torch
import vergence
from vergence.cli import main

def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def stop(*_):
    print("{WORKS}", spent(), flush=True)
    import os
    os._exit(0)

if sys.argv[1] == "pass":
    from torch.nn.modules.module import register_module_forward_pre_hook
    register_module_forward_pre_hook(stop)
if sys.argv[1] == "step":
    from torch.optim.optimizer import register_optimizer_step_post_hook
    register_optimizer_step_post_hook(stop)
if sys.argv[1] in ("import", "torch"):
    stop()
main(sys.argv[2:])
stop()
"""
STEP = ("--train.steps", "1", "--frames.workers", "0", "--train.checkpoint_every", "1")


def spent(until: str, words: tuple[str, ...]) -> float:
    """Seconds of processor time of one process until it works."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, until, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.rsplit(WORKS, 1)[1])


def verbs(folder: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What is measured by name: until when, and the words of the command."""
    town, depth, seg = (str(folder / name) for name in ("town.parquet", "depth", "seg"))
    new = str(folder / "out")
    return {
        TORCH: ("torch", ()),
        "import vergence": ("import", ()),
        "--help": ("end", ("--help",)),
        "doctor --help": ("end", ("doctor", "--help")),
        "index": ("end", ("index", "toytown", str(folder / "town"), "--out", new + ".parquet", *RENDER)),
        "scan": ("end", ("scan", town, "--max_pairs", "4")),
        "train, depth": ("pass", ("train", "depth-toytown-tiny", "--data", town, "--out", new, *STEP)),
        "... and a step": ("step", ("train", "depth-toytown-tiny", "--data", town, "--out", new, *STEP)),
        "train, three_ways": ("pass", ("train", "three_ways-toytown-tiny", "--data", town, "--out", new, *STEP)),
        "... and its step": ("step", ("train", "three_ways-toytown-tiny", "--data", town, "--out", new, *STEP)),
        "evaluate, depth": ("pass", ("evaluate", depth, "--data", town, "--json", new + ".json")),
        "evaluate, classes": ("pass", ("evaluate", seg, "--data", town, "--json", new + ".json")),
        "predict": ("pass", ("predict", depth, town, "--out", new)),
        "select": ("pass", ("select", depth, "--data", town, "--count", "2", "--out", new)),
    }


RENDER = ("--train", "1", "--val", "1", "--frames", "12", "--width", "96", "--height", "64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        town = folder / "town.parquet"
        spent("end", ("index", "toytown", str(folder / "town"), "--out", str(town), *RENDER))
        for name, recipe in (("depth", "depth-toytown-tiny"), ("seg", "supervised-toytown-tiny")):
            spent("end", ("train", recipe, "--data", str(town), "--out", str(folder / name), *STEP))
        cases = verbs(folder)
        found: dict[str, list[float]] = {name: [] for name in cases}
        loads = []
        for _ in range(rounds):
            loads.append(os.getloadavg()[0])
            for name, (until, words) in cases.items():
                shutil.rmtree(folder / "out", ignore_errors=True)
                found[name].append(spent(until, words))
    print(f"seconds of processor time, median (least) of {rounds}; load {min(loads):.1f} to {max(loads):.1f}")
    for name, values in found.items():
        ratio = statistics.median(value / torch for value, torch in zip(values, found[TORCH], strict=True))
        print(f"{name:18} {statistics.median(values):5.2f}  ({min(values):.2f})  {ratio:4.1f} x import torch")


if __name__ == "__main__":
    main()
