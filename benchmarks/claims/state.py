"""The state of every run: one CSV file a claim, a row a run, written as soon as it has ended."""

import csv
import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import Claim, Numbers
from benchmarks.studies.common import commit, device_name, read_rows
from vergence import __version__
from vergence.data.atomic import writing

RESULTS = Path(__file__).parent / "results"


def path_of(claim: Claim, folder: Path | None = None) -> Path:
    return (folder or RESULTS) / f"{claim.name}.csv"


def rows_of(claim: Claim, folder: Path | None = None) -> list[dict[str, str]]:
    return read_rows(path_of(claim, folder))


def missing(claim: Claim, folder: Path | None = None) -> list[tuple[int, str]]:
    """(seed, variant) of the runs that have no row, in the order in which they are to be run."""
    have = {(row["variant"], row["seed"]) for row in rows_of(claim, folder)}
    return [(seed, variant) for seed, variant in claim.jobs() if (variant, str(seed)) not in have]


def add(
    claim: Claim,
    variant: str,
    seed: int,
    numbers: Numbers,
    seconds: float,
    folder: Path | None = None,
    device: str | None = None,
) -> None:
    """Append a run's row; the file is replaced as a whole, so that a kill never tears it."""
    shown = {key: round(value, 5) if isinstance(value, float) else value for key, value in numbers.items()}
    stamp = {
        "seconds": round(seconds, 1),
        "day": datetime.date.today().isoformat(),
        "device": device or device_name(),
        "machine": platform.machine(),
        "vergence": __version__,
        "commit": commit(),
    }
    fresh = {"variant": variant, "seed": str(seed), **shown, **stamp}
    rows: Sequence[dict[str, object]] = [*rows_of(claim, folder), fresh]  # type: ignore[list-item]
    first = ["variant", "seed"]
    last = list(stamp)
    between = dict.fromkeys(key for row in rows for key in row if key not in (*first, *last))
    with writing(path_of(claim, folder)) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*first, *between, *last], restval="")
        writer.writeheader()
        writer.writerows(rows)


def cost(claim: Claim) -> tuple[float, int]:
    """Measured seconds of all runs so far, and how many there are."""
    rows = rows_of(claim)
    return sum(float(row["seconds"]) for row in rows), len(rows)
