"""How PyTorch's threads should wait for one another: what ``OMP_WAIT_POLICY`` does to the speed of training.

    python -m benchmarks.speed.wait_policy --data town.parquet --pairs 8 --busy 0 --out quiet.csv
    python -m benchmarks.speed.wait_policy --data town.parquet --pairs 8 --busy 2 --out busy.csv

One process for each policy builds the training of a recipe once (its loop, loaders and networks) and then does steps
when it is told to; the other processes are stopped meanwhile. A round measures every policy once, in an order that
turns round from round to round; before the first round every policy does one part that does not count. A row of
``--out`` has the round, the policy, seconds, images a second and the load average before. ``unset`` is PyTorch's own
way: its threads spin for a while and then sleep; a number is PASSIVE with so many turns before (``GOMP_SPINCOUNT``).
``--busy`` processes that compute without end run beside all rounds.

Printed, and added to ``--summary``, are the ratios of images a second, of every policy to PASSIVE in the same round:
the geometric mean, and its 95 % interval by Student's t on the logarithms; images a second are medians. The policy
ACTIVE can be named in ``--policies``; on a machine that others use its threads, which never sleep, keep the processors
from those that they wait for, and a round takes many minutes.
"""

import argparse
import contextlib
import csv
import math
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed.common import append_rows

RESULTS = Path(__file__).parent / "results" / "wait_policy.csv"
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
POLICIES = ("PASSIVE", "unset", "100", "1000", "5000", "20000")
"""Compared by default; the first is what the others are compared with."""
QUANTILES = {7: 2.365, 8: 2.306, 9: 2.262, 11: 2.201, 15: 2.131}
"""Of Student's t, 97.5 %, by degrees of freedom."""


def work(recipe: str, data: str, folder: str) -> None:
    """In a process of its own: build the training, then answer every number of steps on stdin with seconds."""
    from vergence.runs.config import load_config
    from vergence.runs.folder import RunFolder
    from vergence.training.runtime import start_accelerator
    from vergence.training.train import Loop

    settings = {"frames.source": data, "train.steps": 100_000, "train.evaluate_every": 0, "train.device": "cpu"}
    config = load_config(recipe, settings)
    loop = Loop(config, RunFolder(Path(folder) / "run"), start_accelerator(config.train), None)
    print(config.frames.batch_size, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            loop._step()
        print(time.perf_counter() - start, flush=True)
    loop.close()


class Worker:
    """The training under one policy; stopped (SIGSTOP) but while it is asked."""

    def __init__(self, policy: str, options: argparse.Namespace, folder: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        if policy.isdecimal():
            environment |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": policy}
        elif policy != "unset":
            environment["OMP_WAIT_POLICY"] = policy
        # torch first, so that vergence leaves the policy alone
        program = "import torch; from benchmarks.speed.wait_policy import work; import sys; work(*sys.argv[1:])"
        words = [sys.executable, "-c", program, options.recipe, str(options.data), folder]
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.batch = int(self._answer())
        self._signal(signal.SIGSTOP)

    def seconds(self, steps: int) -> float:
        """Of this many steps."""
        self._signal(signal.SIGCONT)
        assert self.process.stdin is not None
        print(steps, file=self.process.stdin, flush=True)
        found = float(self._answer())
        self._signal(signal.SIGSTOP)
        return found

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a training process ended; see its message above")
        return line

    def _signal(self, number: int) -> None:
        """To the process and its loaders."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        self._signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """While entered, this many processes compute without end."""
    processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _spin() -> None:
    value = 1
    while True:
        value = value * 1_103_515_245 % 2_147_483_647


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of all rounds."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as held:
        workers = {}
        for policy in options.policies:
            workers[policy] = Worker(policy, options, folder)
            held.callback(workers[policy].close)
        held.enter_context(busy(options.busy))
        for worker in workers.values():
            worker.seconds(options.steps)
        for number in range(options.pairs):
            for policy in options.policies[:: 1 if number % 2 else -1]:
                load = os.getloadavg()[0]
                seconds = workers[policy].seconds(options.steps)
                speed = options.steps * workers[policy].batch / seconds
                rows.append(
                    {"busy": options.busy, "round": number, "policy": policy, "seconds": round(seconds, 3),
                     "images_per_second": round(speed, 3), "load": round(load, 2)}
                )  # fmt: skip
                print(rows[-1], file=sys.stderr, flush=True)
    return rows


def ratio(rows: list[dict[str, Any]], policy: str) -> tuple[float, float, float]:
    """Images a second under a policy to those under PASSIVE, round by round: geometric mean and 95 % interval."""
    speeds = {(row["round"], row["policy"]): float(row["images_per_second"]) for row in rows}
    rounds = sorted({number for number, _ in speeds})
    logs = [math.log(speeds[number, policy] / speeds[number, POLICIES[0]]) for number in rounds]
    mean = statistics.fmean(logs)
    reach = QUANTILES[len(logs) - 1] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - reach), math.exp(mean + reach)


def summary(rows: list[dict[str, Any]], policy: str) -> dict[str, Any]:
    """A row for the page."""
    loads = [float(row["load"]) for row in rows]
    speeds = {
        name: statistics.median(float(row["images_per_second"]) for row in rows if row["policy"] == name)
        for name in (POLICIES[0], policy)
    }
    mean, low, high = ratio(rows, policy)
    return {
        "busy processes": rows[0]["busy"], "load average": f"{min(loads):.1f} to {max(loads):.1f}",
        "rounds": len(rows) // len({row["policy"] for row in rows}), "policy": policy,
        "images/s, PASSIVE": f"{speeds[POLICIES[0]]:.2f}", "images/s": f"{speeds[policy]:.2f}",
        "ratio": f"{mean:.3f}", "95 % interval": f"{low:.3f} to {high:.3f}",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", default="supervised-toytown-tiny")
    parser.add_argument("--pairs", type=int, default=8, choices=[count + 1 for count in QUANTILES])
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--steps", type=int, default=15, help="of one measurement")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = measure(options)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = [summary(rows, policy) for policy in options.policies if policy != POLICIES[0]]
    append_rows(options.summary, found)
    for row in found:
        print(row)


if __name__ == "__main__":
    main()
