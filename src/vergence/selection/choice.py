"""Frames being chosen, by one of seven criteria, step by step."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.depth_port import with_estimates
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun
from vergence.selection.cover import cover, frame_weights
from vergence.selection.farthest_point import farthest_points
from vergence.selection.features import FeatureSpace
from vergence.selection.frame_features import Features
from vergence.selection.orders import first_of_each, random_order, top_scores, uniform_order
from vergence.selection.rarity import cell_rarity
from vergence.selection.settings import Selection
from vergence.selection.student import Students
from vergence.selection.student_scores import entropies, kept_scores, open_stage
from vergence.selection.video_reach import VideoReach

_log = logging.getLogger("vergence")


@dataclass
class Choice:
    """Frames being chosen."""

    run: LoadedRun
    manifest: Manifest
    features: Features
    out: Path
    asked: Selection
    progress: Progress | None = None
    reaches: VideoReach | None = None
    """How far labels of each frame are carried; of criterion reach."""
    picks: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    """Frames that are labelled already."""
    val: list[int] = field(default_factory=list)
    """Frames set aside to judge by."""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    """The step of each pick, and its difficulty, entropy or reach."""
    allowed: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @cached_property
    def space(self) -> FeatureSpace:
        """Where frames are points."""
        return self.features.space(self.run.device)

    def close(self, closed: set[str], known: set[str]) -> None:
        """Leave out frames that are not to be chosen, those set aside, even in time, and all but one of equal ones."""
        images = self.manifest.values("image")[: len(self.manifest)]
        shut = np.array([image in closed or image in known for image in images], np.bool_)
        open_rows = [row for row in self.order("uniform") if not shut[row]]
        val = self.asked.val
        if val > len(open_rows):
            raise InputError(
                f"{val} frames are to be set aside and {self.manifest.name} has {len(open_rows)}; ask for fewer."
            )
        self.val = open_rows[:val]
        self.known = [index for index, image in enumerate(images) if image in known]
        if shut.any():
            _log.info("%d of %d frames are excluded or labelled already", shut.sum(), len(shut))
        shut[self.val] = True
        self.allowed = first_of_each(self.features.digests, shut)
        twins = int((~shut & ~self.allowed).sum())
        if twins:
            _log.info("%d frames are identical to others and are left out", twins)

    def check(self) -> None:
        """InputError where there are too few frames."""
        count = self.asked.count
        there = int(self.allowed.sum())
        if count > there:
            left = len(self.manifest) - there
            without = f" without {left} excluded, labelled, identical or set aside ones" if left else ""
            raise InputError(
                f"{count} frames are asked for and {self.manifest.name} has {there}{without}; ask for fewer."
            )

    def make(self, criterion: str, students: Students, port: str) -> None:
        """Choose up to the last goal."""
        if criterion == "ds":
            self._far(self.asked.count, self.asked.count)
        elif criterion == "reach":
            self._cover(self.asked.count)
        elif criterion in ("random", "uniform"):
            order = self.order(criterion)
            self._take([row for row in order if self.allowed[row]][: self.asked.count], self.asked.count)
        elif criterion == "entropy" and not students.classes:
            scores = self._entropies()
            self._take(top_scores(scores, self.asked.count, self.allowed), self.asked.count, scores, "entropy")
        elif criterion == "entropy":
            for number, goal in enumerate(self.asked.goals):
                self._step(criterion, students, number, goal)
        else:
            size = (self.run.config.frames.options.height, self.run.config.frames.options.width)
            taught = with_estimates(self.manifest, port, size, str(self.run.device), self.progress)
            students = replace(students, manifest=taught)
            for number, goal in enumerate(self.asked.goals):
                self._step(criterion, students, number, goal)

    def order(self, criterion: str) -> list[int]:
        """All frames at random or uniformly in time."""
        if criterion == "random":
            return random_order(len(self.manifest), self.asked.seed)
        names, count = ("sequence", "camera", "position"), len(self.manifest)
        sequences, cameras, positions = (self.manifest.values(name)[:count] for name in names)
        return uniform_order(list(zip(sequences, cameras, strict=True)), positions)

    def _cover(self, count: int) -> None:
        """The frames whose labels reach most."""
        assert self.reaches is not None
        weight = frame_weights(cell_rarity(self.space, self.asked.rarity), self.val)
        rows, reasons = cover(self.reaches, count, weight, self.known, self.allowed, self.manifest.name)
        self._take(rows, count)
        self.reasons = [reason | more for reason, more in zip(self.reasons, reasons, strict=True)]

    def _step(self, criterion: str, students: Students, number: int, goal: int) -> None:
        """One step of uncertainty (with or without diversity): the first has no student to ask."""
        chosen = [*self.known, *self.picks]
        need = goal - len(self.picks)
        if not chosen:
            if criterion == "ds_us":
                self._far(need, goal)
            else:
                self._take([row for row in self.order("random") if self.allowed[row]][:need], goal)
            return
        scores = students.scores(max(1, number), chosen, np.flatnonzero(self.allowed).tolist())
        if criterion in ("us", "entropy"):
            self._take(top_scores(scores, need, self.allowed), goal, scores, students.measure)
        else:
            self._far(need, goal, scores)

    def _far(self, need: int, goal: int, difficulty: NDArray[np.float64] | None = None) -> None:
        """The farthest points, with difficulty as bias where it is given."""
        chosen = [*self.known, *self.picks]
        start = None if chosen else next(row for row in self.order("random") if self.allowed[row])
        bias = None if difficulty is None else torch.from_numpy(self.asked.weight * np.nan_to_num(difficulty))
        allowed = torch.from_numpy(self.allowed)
        farthest = [pick.row for pick in farthest_points(self.space, need, chosen, start, bias, allowed)]
        if len(farthest) < need:
            raise InputError(
                f"{len(self.picks) + need} frames are asked for and only {len(self.picks) + len(farthest)} of "
                f"{self.manifest.name} look different to the network; ask for fewer."
            )
        self._take(farthest, goal, difficulty, "difficulty")

    def _take(self, rows: Sequence[int], goal: int, scores: NDArray[np.float64] | None = None, name: str = "") -> None:
        for row in rows:
            self.picks.append(row)
            self.allowed[row] = False
            score = {} if scores is None else {name: float(scores[row])}
            self.reasons.append({"step": goal, **score})

    def _entropies(self) -> NDArray[np.float64]:
        folder = self.out / "steps" / "entropy"
        open_stage(folder, {"weights": self.run.files().identity(), "frames": len(self.manifest)})
        rows = np.flatnonzero(self.allowed).tolist()

        def score(missing: list[int]) -> Iterator[tuple[int, float]]:
            return entropies(self.run, self.manifest, missing)

        return kept_scores(folder / "entropy.npy", len(self.manifest), rows, score, self.progress)
