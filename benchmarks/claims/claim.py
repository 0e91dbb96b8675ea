"""What a claim is, and when it counts as confirmed, refuted or undecided."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, str]
Numbers = dict[str, float | str]
HEAD_ROOM = 0.06
"""Of mIoU: what all labels must be better by than few, or the set-up can show nothing."""
GATE_SEEDS = 3
"""Seeds on which the head room is measured before anything else is run."""
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""97.5 % points of Student's t with 1, 2, ... degrees of freedom."""


@dataclass(frozen=True)
class Comparison:
    """One variant that is said to be better than another in a number."""

    better: str
    worse: str
    metric: str = "miou"
    lower: bool = False
    """Whether smaller is better."""
    margin: float = 0.0
    """By how much it may be worse and still count as not worse; 0: it is to be better."""


@dataclass(frozen=True)
class Claim:
    """A sentence that runs can confirm or refute."""

    name: str
    says: str
    setup: str
    variants: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    seeds: int
    run: Callable[[Any, str, int], Numbers]
    """(lab, variant, seed) -> numbers, shares from 0 to 1; ``iou NAME`` of each class."""
    seconds: float
    """Of a run on one quiet core, until runs have been timed."""
    preparation: float = 0.0
    """Seconds of what all runs share, such as a depth run."""
    few: str = ""
    """Variants of the head-room gate: few labels, and all of them; "" for a claim about depth."""
    full: str = ""
    gate_metric: str = "miou"
    deciding: int | None = None
    """How many of the comparisons, from the first, decide the verdict; default all. The others are shown beside."""

    @property
    def decides(self) -> tuple[Comparison, ...]:
        return self.comparisons[: self.deciding]

    def jobs(self) -> list[tuple[int, str]]:
        """(seed, variant) of all runs: the gate first, then seed by seed."""
        gate = [(seed, variant) for seed in range(GATE_SEEDS) for variant in (self.few, self.full) if variant]
        rest = [(seed, variant) for seed in range(self.seeds) for variant in self.variants]
        return list(dict.fromkeys([*gate, *rest]))


@dataclass(frozen=True)
class Interval:
    """Mean of paired differences, and where the true one lies with 95 % confidence."""

    mean: float
    low: float
    high: float
    seeds: int
    values: Sequence[float] = field(default=(), repr=False)


def interval(values: Sequence[float]) -> Interval:
    """Student's interval of a mean; of a single value it is infinitely wide."""
    if not values:
        return Interval(math.nan, -math.inf, math.inf, 0)
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf, 1, tuple(values))
    free = len(values) - 1
    quantile = _T95[free - 1] if free <= len(_T95) else 1.96 + 2.4 / free
    half = quantile * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half, len(values), tuple(values))


def gains(rows: Sequence[Row], comparison: Comparison) -> list[float]:
    """By how much the one is better than the other on each seed that has both, positive = as claimed."""
    numbers = {(row["variant"], row["seed"]): row.get(comparison.metric, "") for row in rows}
    seeds = sorted({row["seed"] for row in rows}, key=int)
    pairs = [(numbers.get((comparison.better, s), ""), numbers.get((comparison.worse, s), "")) for s in seeds]
    sign = -1 if comparison.lower else 1
    return [sign * (float(one) - float(other)) for one, other in pairs if one and other]


def head_room(claim: Claim, rows: Sequence[Row]) -> float | None:
    """How much better all labels are than few; None while it is not measured, or where there is no gate."""
    found = gains(rows, Comparison(claim.full, claim.few, claim.gate_metric)) if claim.full else []
    return statistics.fmean(found) if len(found) >= GATE_SEEDS else None


def judged(found: Interval, seeds: int, margin: float = 0.0) -> str:
    """The verdict of one comparison; before all seeds are there it stays open."""
    if found.seeds == 0:
        return "not run"
    if found.seeds >= seeds and found.low > -margin:
        return "confirmed"
    if found.seeds >= seeds and found.high < -margin:
        return "refuted"
    return "undecided"


def verdict(claim: Claim, rows: Sequence[Row]) -> str:
    """Of the whole claim: confirmed if all its deciding comparisons are, refuted if any is."""
    room = head_room(claim, rows)
    if room is not None and room < HEAD_ROOM:
        return "thrown out"
    each = [judged(interval(gains(rows, one)), claim.seeds, one.margin) for one in claim.decides]
    if "refuted" in each:
        return "refuted"
    if all(one == "confirmed" for one in each):
        return "confirmed"
    return "not run" if not rows else "undecided"
