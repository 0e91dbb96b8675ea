"""Of what the gate of flywheels kept: how much is truly not worse, and of what it refused, how much truly is.

    python -m benchmarks.studies.gate                      the flywheels of the claim (make claims), by both gates
    python -m benchmarks.studies.gate WHEEL [WHEEL ...]    any finished flywheels, by the gate that they had

Flywheels on frames whose truth is known (toy town): truth is what was scored on held-back frames, which the gate has
not looked at. Each task of each round is compared with the last kept one before it.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.claims.flywheel import CLAIM, ROUNDS
from benchmarks.claims.state import rows_of
from benchmarks.studies.common import read_rows, write_rows

RESULTS = Path(__file__).parent / "results"
TRUTH = {"depth": ("abs_rel", -1), "segmentation": ("miou", 1)}
"""By task its number, and the sign that makes more of it better."""


class Decision(NamedTuple):
    """What the gate said of one task of a round, and what the truth says."""

    task: str
    round: int
    kept: bool
    gain: float
    """Over the last kept one, positive where it is better: abs_rel or mIoU."""
    by_video: bool | None = None
    """Whether a gate without labels would have kept it; None where nobody asked."""


def decisions(rows: Sequence[Mapping[str, str]]) -> list[Decision]:
    """Those of one flywheel, from the rows of its ``flywheel.csv``."""
    found = []
    for task, (metric, sign) in TRUTH.items():
        scored = sorted((row for row in rows if row["run"] == row["task"] == task), key=lambda row: int(row["round"]))
        last = float(scored[0][metric]) if scored else math.nan
        for row in scored[1:]:
            kept, now, video = row["kept"] == "True", float(row[metric]), row.get("by_video", "")
            asked = None if video == "" else float(video) == 1
            found.append(Decision(task, int(row["round"]), kept, sign * (now - last), asked))
            last = now if kept else last
    return found


def as_table(row: Mapping[str, str]) -> list[dict[str, str]]:
    """A row of the claim as the rows that its flywheel had in ``flywheel.csv``."""
    return [
        {
            "round": str(number), "run": task, "task": task, metric: row[f"{metric} round {number}"],
            "kept": str(float(row[f"{task} kept round {number}"]) == 1),
            "by_video": row.get(f"{task} by video round {number}", ""),
        }
        for task, (metric, _) in TRUTH.items()
        for number in range(ROUNDS)
        if row.get(f"{task} kept round {number}")
    ]  # fmt: skip


def share(count: int, of: int) -> str:
    """A share with its 95 % interval (Wilson's)."""
    if not of:
        return "0 of 0"
    z, p = 1.959964, count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{count} of {of} ({100 * p:.0f} %; {100 * low:.0f} to {100 * high:.0f})"


def counted(every: Iterable[Decision], flywheels: int) -> list[dict[str, Any]]:
    """A row for each task and gate: how much of what was kept is not worse, of what was refused is; mean gains."""
    every, rows = list(every), []
    for task in TRUTH:
        mine = [one for one in every if one.task == task]
        asked = [one._replace(kept=one.by_video) for one in mine if one.by_video is not None]
        for gate, those in (("as it was", mine), ("by video", asked)):
            kept, refused = ([one.gain for one in those if one.kept is value] for value in (True, False))
            if those:
                rows.append({
                    "task": task, "gate": gate, "flywheels": flywheels,
                    "kept": share(len(kept), len(those)),
                    "kept and not worse": share(sum(gain >= 0 for gain in kept), len(kept)),
                    "refused and worse": share(sum(gain < 0 for gain in refused), len(refused)),
                    "mean gain of kept": f"{sum(kept) / len(kept):+.4f}" if kept else "",
                    "of refused": f"{sum(refused) / len(refused):+.4f}" if refused else "",
                })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, nargs="*", help="folders of finished flywheels; default the claim's")
    options = parser.parse_args()
    tables = {str(wheel): read_rows(wheel / "flywheel.csv") for wheel in options.wheels}
    if empty := [wheel for wheel, rows in tables.items() if not rows]:
        parser.error(f"{', '.join(empty)}: no flywheel.csv with scores; give folders of finished flywheels")
    if not options.wheels:
        tables = {f"{row['variant']} {row['seed']}": as_table(row) for row in rows_of(CLAIM)}
    if not tables:
        parser.error("the claim has no finished flywheel yet: python -m benchmarks.claims --only flywheel makes them")
    rows = counted((one for table in tables.values() for one in decisions(table)), len(tables))
    for row in rows:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))
    if not options.wheels:
        write_rows(RESULTS / "gate.csv", rows, ("task", "gate"))


if __name__ == "__main__":
    main()
