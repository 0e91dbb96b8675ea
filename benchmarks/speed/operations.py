"""How many operations a training step launches, for every method: ``python -m benchmarks.speed.operations OUT.csv``.

Counted on a pretended device (tests/pretend_cuda.py), as a GPU takes the step: operations below autograd that compute,
without those that only look at memory in another way. The smallest networks, 2 frames of 96x64 a role: what does not
grow with networks stands out. A GPU of today spends about 5 microseconds on launching each.
"""

import csv
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.device_loops import STEPS, loop_on_device, write_towns

LARGEST = 6


def counted(name: str, folder: Path, towns: dict[str, Path]) -> dict[str, object]:
    """A row: operations of the second step by part, and the most frequent ones of the forward pass."""
    with loop_on_device(name, folder, towns) as (loop, watch):
        loop._step()
        watch.clear()
        batches = loop._next_batches()
        prepare = watch.operations.total()
        watch.clear()
        losses = loop.state.model(batches, loop.state.step)
        forward, watch.operations = watch.operations, Counter()
        loop.state.window.add(losses)
        window = watch.operations.total()
        watch.clear()
        loop._step()
        step = watch.operations.total()
    often = " ".join(f"{operation}={count}" for operation, count in forward.most_common(LARGEST))
    return {
        "method": name, "prepare": prepare, "forward": forward.total(), "window": window, "step": step, "often": often,
    }  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        towns = write_towns(Path(made))
        rows = []
        for number, name in enumerate(STEPS):
            (folder := Path(made) / str(number)).mkdir()
            rows.append(counted(name, folder, towns))
            print(rows[-1], flush=True)
    with Path(sys.argv[1]).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
