"""What a selection is asked: which frames, by what; what its students learn; how its features are computed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vergence.data.shards import Shard
from vergence.errors import InputError, check_seed, nearest
from vergence.runs.overrides import Overrides
from vergence.selection.criteria import AUTO, CRITERIA
from vergence.selection.orders import default_steps

DEPTH_STUDENT = "select-student"


@dataclass(frozen=True)
class Selection:
    """Which frames are chosen, and by what."""

    count: int
    """How many."""
    criterion: str = AUTO
    """One of CRITERIA, or auto."""
    steps: str | Sequence[int] | None = None
    """Numbers of frames after which a new student is trained, such as "25,50,100"; None: the paper's."""
    seed: int = 0
    """Seed of the first frame, of random frames and of the students."""
    split: str = "train"
    """Rows to choose from."""
    val: int = 0
    """Frames to set aside before, to judge by."""
    exclude: str | Path | None = None
    """List of frames that are not to be chosen, or "labelled"."""
    labelled: str | Path | None = None
    """List of frames that are labelled already, or "labelled"."""
    weight: float = 1000.0
    """Weight of difficulty beside distance (lambda_E, 1000 in section 5.3)."""
    seconds: float = 2.0
    """How far labels will be carried each way, for reach."""
    rarity: float = 0.0
    """Power of the rarity of what is reached."""

    def __post_init__(self) -> None:
        if self.criterion not in (AUTO, *CRITERIA):
            near = nearest(self.criterion, CRITERIA)
            known = ", ".join((AUTO, *CRITERIA))
            raise InputError(f"criterion {self.criterion!r} is unknown{near}; use one of {known}.")
        if self.count < 1:
            raise InputError(f"count is {self.count}; give 1 or more frames to choose.")
        check_seed(self.seed, "seed")
        if self.val < 0:
            raise InputError(f"val is {self.val}; give 0 or more frames to set aside.")
        if not self.weight >= 0:
            raise InputError(f"weight is {self.weight}; give 0 or more.")
        if not 0 < self.seconds < math.inf:
            raise InputError(f"seconds is {self.seconds}; give how far labels will be carried, such as 2.")
        if not 0 <= self.rarity <= 10:
            raise InputError(
                f"rarity is {self.rarity}; give a power from 0 (all pixels count the same) to 10, such as 1."
            )
        _ = self.goals

    @cached_property
    def goals(self) -> list[int]:
        """How many frames are chosen after each step; InputError where the steps are none."""
        if self.steps is None:
            return default_steps(self.count)
        listed = self.steps.strip("[]() ").split(",") if isinstance(self.steps, str) else self.steps
        try:
            goals = [int(step) for step in listed]
        except ValueError:
            goals = []
        if not goals or goals != sorted(set(goals)) or goals[0] < 1:
            raise InputError(f"steps are {self.steps!r}; give rising numbers of frames, such as 25,50,100.")
        if goals[0] > self.count:
            raise InputError(
                f"steps are {self.steps!r}, all above the count of {self.count}; give some of at most that."
            )
        return [goal for goal in goals if goal < self.count] + [self.count]


@dataclass(frozen=True)
class StudentSettings:
    """What the students of us, ds_us and entropy learn."""

    recipe: str = DEPTH_STUDENT
    depth: str | None = None
    """Depth port that teaches them; None: the run."""
    overrides: Overrides = ()
    """Settings that differ from the recipe's."""

    @property
    def named(self) -> bool:
        """Whether something is said about students."""
        return bool(self.overrides or self.depth) or self.recipe != DEPTH_STUDENT


@dataclass(frozen=True)
class FeatureWork:
    """How the features of all frames are computed."""

    half: bool | None = None
    """As 16-bit floats; None: only where there are very many."""
    shard: Shard | None = None
    """This piece only; None: all, or, where shards are done, those."""
