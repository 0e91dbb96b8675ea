"""Of what the gate of flywheels kept: how much is truly not worse, and of what it refused, how much truly is.

    python -m benchmarks.studies.gate WHEEL [WHEEL ...]

Flywheels on frames whose truth is known (toy town), by any gate: truth is what flywheel.csv scored on held-back frames,
which the gate has not looked at. Each task of each round is compared with the last kept one before it.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.studies.common import read_rows

TRUTH = {"depth": ("abs_rel", -1), "segmentation": ("miou", 1)}
"""By task its number, and the sign that makes more of it better."""


class Decision(NamedTuple):
    """What the gate said of one task of a round, and what the truth says."""

    task: str
    round: int
    kept: bool
    gain: float
    """Over the last kept one, positive where it is better: abs_rel or mIoU."""


def decisions(rows: Sequence[dict[str, str]]) -> list[Decision]:
    """Those of one flywheel, from the rows of its ``flywheel.csv``."""
    found = []
    for task, (metric, sign) in TRUTH.items():
        scored = sorted((row for row in rows if row["run"] == row["task"] == task), key=lambda row: int(row["round"]))
        last = float(scored[0][metric]) if scored else math.nan
        for row in scored[1:]:
            kept, now = row["kept"] == "True", float(row[metric])
            found.append(Decision(task, int(row["round"]), kept, sign * (now - last)))
            last = now if kept else last
    return found


def share(count: int, of: int) -> str:
    """A share with its 95 % interval (Wilson's)."""
    if not of:
        return "0 of 0"
    z, p = 1.959964, count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{count} of {of} ({100 * p:.0f} %; {100 * low:.0f} to {100 * high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, nargs="+", help="folders of finished flywheels")
    options = parser.parse_args()
    tables = {wheel: read_rows(wheel / "flywheel.csv") for wheel in options.wheels}
    if empty := [str(wheel) for wheel, rows in tables.items() if not rows]:
        parser.error(f"{', '.join(empty)}: no flywheel.csv with scores; give folders of finished flywheels")
    every = [one for rows in tables.values() for one in decisions(rows)]
    for task in TRUTH:
        mine = [one for one in every if one.task == task]
        kept, refused = ([one for one in mine if one.kept is value] for value in (True, False))
        print(f"{task}: kept {len(kept)} of {len(mine)}")
        print(f"  kept and not worse:   {share(sum(one.gain >= 0 for one in kept), len(kept))}")
        print(f"  refused and worse:    {share(sum(one.gain < 0 for one in refused), len(refused))}")
        for name, those in (("kept", kept), ("refused", refused)):
            if those:
                print(f"  mean gain of what is {name}: {sum(one.gain for one in those) / len(those):+.4f}")


if __name__ == "__main__":
    main()
