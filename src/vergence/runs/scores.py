"""How good a checkpoint is: one number of held-back frames, and which of two is the better one."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MEASURES = {"miou": True, "abs_rel": False, "photometric": False, "flip_miou": True}
"""Whether more is better, by measure, in the order in which they judge: the first that was measured counts."""


@dataclass(frozen=True)
class Score:
    """One number of an evaluation during training."""

    measure: str
    """One of :data:`MEASURES`."""
    value: float
    frames: str = ""
    """Digest of the frames it was measured on: scores on others cannot be compared."""

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.4g}"

    def comparable(self, other: "Score") -> bool:
        """Whether both are the same measure of the same frames."""
        return (self.measure, self.frames) == (other.measure, other.frames)

    def better_than(self, other: "Score") -> bool:
        """Whether it is strictly better than a comparable one."""
        return self.value > other.value if MEASURES[self.measure] else self.value < other.value

    def to_dict(self) -> dict[str, Any]:
        """As rows of a log and settings of a checkpoint hold it; :meth:`of` reads it back."""
        return {"measure": self.measure, "score": self.value, "scored_on": self.frames}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Score | None":
        """The score among other values; None where there is none that can be used."""
        measure, value = values.get("measure"), values.get("score")
        if not isinstance(measure, str) or measure not in MEASURES or isinstance(value, bool):
            return None
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return cls(measure, float(value), str(values.get("scored_on", "")))


def measured(row: Mapping[str, Any], frames: str) -> Score | None:
    """The score of a row of an evaluation; None where nothing that judges was measured."""
    for measure in MEASURES:
        score = Score.of({"measure": measure, "score": row.get(measure), "scored_on": frames})
        if score is not None:
            return score
    return None


def ranked(scored: Iterable[tuple[T, Score | None]]) -> list[T]:
    """What was scored as the last of them that was, the best first; of equals the earlier."""
    given = [(one, score) for one, score in scored if score is not None]
    alike = [(one, score) for one, score in given if score.comparable(given[-1][1])]
    sign = -1 if alike and MEASURES[alike[0][1].measure] else 1
    return [one for one, _ in sorted(alike, key=lambda pair: sign * pair[1].value)]


class BestSoFar:
    """The best evaluation of a run up to now, and how many came after it without being better.

    Args:
        rows: of the run's log, as far as they count; those of evaluations are looked at, in their order.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.score: Score | None = None
        self.step = 0
        self.waited = 0
        """Evaluations since the best one."""
        for row in rows:
            score = Score.of(row) if row.get("kind") == "evaluate" else None
            if score is not None and isinstance(row.get("step"), int):
                self.add(row["step"], score)

    def add(self, step: int, score: Score) -> bool:
        """Count an evaluation; whether it is the best so far. Another measure, or other frames, begin anew."""
        better = self.score is None or not score.comparable(self.score) or score.better_than(self.score)
        if better:
            self.score, self.step, self.waited = score, step, 0
        else:
            self.waited += 1
        return better

    def exhausted(self, stop_after: int) -> str:
        """Why training has gone on long enough, in words; "" where it has not, or ``stop_after`` is 0."""
        if not stop_after or self.waited < stop_after:
            return ""
        return f"{self.waited} evaluations were not better than {self.score} of step {self.step}"
