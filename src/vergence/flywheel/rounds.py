"""The flywheel: depth and segmentation that improve each other, round after round; each stage an ordinary run.

Every stage looks at what is there and goes on from it: a flywheel that was stopped anywhere is called again.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vergence.data.environment import process_of
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.errors import InputError, Interrupted
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.flywheel.folder import JUDGED, Round, check_order, inside, rows_of, write_scores
from vergence.flywheel.gate import apart, judge
from vergence.flywheel.labels import (
    AGREEMENT,
    carried_labels,
    carried_with,
    check_budget,
    known_before,
    label_source,
    list_of,
    noisy_labels,
    not_to_choose,
    open_labels,
)
from vergence.flywheel.settings import FlywheelRecipe, load_flywheel
from vergence.flywheel.trainings import Trainings, asked_settings, depth_learned_with, kept_before
from vergence.motion.flow import DenseFlow
from vergence.runs.checkpoint import read_object
from vergence.runs.config import load_config
from vergence.runs.folder import RunFolder, find_checkpoint
from vergence.runs.overrides import Overrides, flattened
from vergence.runs.said_once import said_once
from vergence.selection.select import select
from vergence.selection.settings import Selection, StudentSettings
from vergence.training.run_chain import check_equal, is_finished, trained

_log = logging.getLogger("vergence")
Pages = Callable[[str, Path], None]
"""Writes a page, called with its kind ("run", "selection" or "flywheel") and the folder."""


def start_flywheel(recipe: str | Path, out: Path, data: str | Path | None, overrides: Overrides, pages: Pages) -> Path:
    """Begin a flywheel in a new folder; see :func:`resume_flywheel` for what it raises."""
    RunFolder(out).check_new()
    return _turn(load_flywheel(recipe, overrides, data), out, pages)


def resume_flywheel(out: Path, overrides: Overrides, pages: Pages) -> Path:
    """Go on with a flywheel, perhaps with other settings of what is still to come.

    Raises:
        InputError: settings changed on which something depends that is there; frames are to be labelled by people;
            whatever a stage raises.
        Interrupted: a signal came; the same call goes on.
    """
    folder = RunFolder(out)
    folder.check_resumable()
    return _turn(load_flywheel(folder.recipe, overrides), out, pages)


def _turn(asked: FlywheelRecipe, out: Path, pages: Pages) -> Path:
    if process_of()[1] > 1:
        raise InputError("a flywheel runs in one process; start it without torchrun.")
    with said_once():
        wheel = _Wheel(asked, out, pages)
        try:
            wheel.turn()
        except Interrupted as stop:
            text = f"stopped in a flywheel; vergence train --resume {out} goes on."
            raise Interrupted(text, stop.exit_code) from None
    return out


class _Wheel:
    """One flywheel in its folder; building it raises InputError where settings do not fit the data or what is there."""

    def __init__(self, asked: FlywheelRecipe, run_folder: Path, pages: Pages) -> None:
        self.run_folder, self.pages, self.config = run_folder, pages, asked.flywheel
        self.news = not RunFolder(run_folder).report.is_file()
        self.rounds = [Round(run_folder, number) for number in range(self.config.rounds)]
        self.trainings = Trainings(self.config, self.rounds)
        settings = asked_settings(self.config, self.config.depth)
        self.split, self.device = settings.frames.train_split, settings.train.device
        stored = run_folder / "data.parquet"
        self._check_source()
        data = Manifest.read(stored) if stored.is_file() else resolve_input(self.config.data)
        labels = self.config.labels
        if labels.by == "auto":
            labels.by = label_source(data, self.split)
        check_budget(data, self.split, labels.by, sum(self.config.new_labels(one.number) for one in self.rounds))
        self._check_rounds()
        if self.config.carry.seconds:
            DenseFlow()  # says what to install before anything is trained
        apart(self.config, data)
        run_folder.mkdir(parents=True, exist_ok=True)
        asked.write(run_folder)
        if not stored.is_file():
            data.write(stored)
        self.data = Manifest.read(stored)
        self.apart = apart(self.config, self.data)

    def turn(self) -> None:
        """All stages that are left."""
        for one in self.rounds:
            how = "from video" if one.number == 0 else "with hints" if self.config.exchange else "without hints"
            self._train(one, "depth", how)
            self._score(one, "depth")
            self._judge(one, "depth")
            self._choose(one)
            self._carry(one)
            self._train(one, "segmentation", f"from {len(one.chosen())} labels")
            self._score(one, "segmentation")
            self._judge(one, "segmentation")
            if self.config.label_files and one.kept("segmentation"):
                self.news |= noisy_labels(one, self.data, self.device)
            if self.news:
                self._tell()
                self.news = False
        depth, classes = (kept_before(self.rounds, len(self.rounds), task) for task in JUDGED)
        text = "the result: depth of round %d (%s) and segmentation of round %d (%s)"
        _log.info(text, depth.number, depth.depth, classes.number, classes.segmentation)

    def _judge(self, one: Round, task: str) -> None:
        if judge(self.config, self.rounds, one.number, task, self.apart, self.device):
            self.trainings.forget()
            self._check_rounds()
            self.news = True

    def _say(self, one: Round, what: str) -> None:
        _log.info("round %d (the last is %d): %s", one.number, len(self.rounds) - 1, what)

    def _tell(self) -> None:
        """Scores and page of what is there."""
        write_scores(self.run_folder, self.rounds)
        self.pages("flywheel", self.run_folder)

    def _train(self, one: Round, stage: str, how: str) -> None:
        config, run = self.trainings.of(stage, one.number), one.folder / stage
        if not is_finished(run, config):
            self._say(one, f"{stage} {how} ({config.recipe})")
        self.news |= trained(run, lambda: config, alike=inside)

    def _choose(self, one: Round) -> None:
        """Frames to label within the budget, and a manifest that knows their labels."""
        labels = self.config.labels
        before = known_before(self.data, self.rounds, one.number, self.split, labels.by)
        count = self.config.new_labels(one.number)
        if count and not (one.selection / "selection.json").is_file():
            self._say(one, f"choosing {count} frames to label")
            self._select(one, before, count)
        if count and not (one.selection / "selection.html").is_file():
            self.pages("selection", one.selection)
        if one.chosen_file.is_file() and one.data.is_file():
            return
        images = [*before, *one.new()]
        try:
            known = open_labels(self.data, self.rounds, one.number, images, self.split)
        except InputError:
            self._tell()
            raise
        known.write(one.data)
        list_of(one, images, one.chosen_file.name)

    def _carry(self, one: Round) -> None:
        """Labels of neighbouring frames, where they are wanted."""
        if self.config.carry.seconds:
            depth = depth_learned_with(self.rounds, one.number).depth
            carried_labels(one, self.config.carry, one.carried, depth, self.device)

    def _select(self, one: Round, before: list[str], count: int) -> None:
        labels, criterion = self.config.labels, self.config.labels.criterion
        run = depth = depth_learned_with(self.rounds, one.number).depth
        if criterion == "entropy" and one.number:
            run = kept_before(self.rounds, one.number, "segmentation").segmentation
        elif criterion == "entropy":  # there are no classes to ask
            criterion = "ds"
        asked = Selection(
            count,
            criterion,
            seed=self.config.seed,
            split=self.split if self.split in self.data.splits() else "all",
            exclude=not_to_choose(self.run_folder, self.data, self.split, labels.by),
            labelled=list_of(one, before, "labelled_before.json"),
            seconds=self.config.carry.seconds or AGREEMENT.seconds,
        )
        students = StudentSettings(depth=str(depth))
        select(run, self.run_folder / "data.parquet", one.selection, asked, students, device=self.device)

    def _score(self, one: Round, stage: str) -> None:
        """Score a run on the held-back frames, and write its page; nothing is done where that is there."""
        run, config = one.folder / stage, self.trainings.of(stage, one.number)
        asked = {
            "data": self.apart.scored.digest(),
            "limit": self.config.limit,
            "exchange": self.config.exchange,
            "weights": find_checkpoint(run).identity(),
            **dict(flattened(config.to_dict()["evaluate"])),
        }
        if one.scores().get(stage, {}).get("asked") == asked and RunFolder(run).report.is_file():
            return
        rows: list[dict[str, Any]] = []
        tasks = config.section.tasks
        depth = any(row.depth or row.disparity for row in self.apart.scored) and "depth" in tasks
        if depth or (any(row.judges for row in self.apart.scored) and "segmentation" in tasks):
            result = evaluate(run, self.apart.scored, Scoring(limit=self.config.limit), device=self.device)
            known = one if stage == "segmentation" else self._hinting(one)
            labels = known.chosen() if known else []  # what was known to this run
            first = {"round": one.number, "run": stage, "exchange": self.config.exchange, "recipe": config.recipe}
            rows = rows_of(result, first | {"labels": len(labels)})
        one.keep_scores(stage, {"asked": asked, "rows": rows})
        self.news = True
        self.pages("run", run)

    def _hinting(self, one: Round) -> Round | None:
        """The round whose classes a round's depth had as hints."""
        return kept_before(self.rounds, one.number, "segmentation") if one.number else None

    def _check_source(self) -> None:
        """InputError where the folder was made of other data."""
        if (self.run_folder / "data.parquet").is_file():
            stored = load_flywheel(RunFolder(self.run_folder).recipe).flywheel
            _same(
                self.run_folder,
                {"data": (stored.data, self.config.data), "labels.by": (stored.labels.by, self.config.labels.by)},
            )

    def _check_rounds(self) -> None:
        """InputError where settings do not fit the stages that are there."""
        check_order(self.rounds)
        for one in self.rounds:
            for stage in ("depth", "segmentation"):
                run = RunFolder(one.folder / stage)
                if run.has_recipe:
                    check_equal(run.path, load_config(run.recipe), self.trainings.of(stage, one.number), inside)
            file = one.selection / "selection.json"
            if file.is_file():
                stored, labels = read_object(file), self.config.labels
                criterion = "ds" if labels.criterion == "entropy" and one.number == 0 else labels.criterion
                wanted: dict[str, tuple[Any, Any]] = {
                    "labels.per_round (or total)": (stored["count"], self.config.new_labels(one.number)),
                    "labels.criterion": (stored["criterion"], criterion),
                    "seed": (stored["seed"], self.config.seed),
                }
                _same(one.selection, wanted)
            carried = carried_with(one.carried) if RunFolder(one.segmentation).has_recipe else None
            if carried is not None and self.config.carry.seconds:
                now = {f"carry.{key}": (value, getattr(self.config.carry, key)) for key, value in carried.items()}
                _same(one.carried, now)


def _same(folder: Path, values: dict[str, tuple[Any, Any]]) -> None:
    for key, (before, now) in values.items():
        if before != now:
            raise InputError(
                f"{folder} was made with flywheel.{key} {before}, not {now}; give another --out, or remove it and what "
                "was made after it."
            )
