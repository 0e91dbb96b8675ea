"""A run's folder and its checkpoints: the one place that knows what their files are called and where they lie."""

import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vergence.data.atomic import check_folder_place, write_text
from vergence.data.buckets.anywhere import run_here
from vergence.data.structured import read_json, read_json_lines
from vergence.errors import InputError
from vergence.runs.intact import altered, torn_object, torn_tensors
from vergence.runs.labelled import Labelled, labelled_of
from vergence.runs.run_lock import is_leftover
from vergence.runs.scores import Score, ranked

_log = logging.getLogger("vergence")
_STEP = re.compile(r"step-(\d{8,})")
_STEP_OR_NUMBER = re.compile(r"(?:step-)?0*(\d{1,12})", re.ASCII)

REPORT = "report.html"
"""The page of a run, and of what is made of several."""
ANY_CHECKPOINT = "RUN/checkpoints/step-N"
"""How a checkpoint is named, in words."""
BEST, LAST = "best", "last"
"""What names a checkpoint beside its step."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder; it may lie anywhere, with or without the two files that only resuming needs."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """``step-`` and eight digits, where it was not renamed."""
        return self.path.name

    @property
    def step(self) -> int:
        """By its name."""
        return int(self.name[5:])

    @property
    def weights(self) -> Path:
        """Weights for use (safetensors)."""
        return self.path / "model.safetensors"

    @property
    def settings(self) -> Path:
        """Format, version, step, digest of the data, and all settings of the run (JSON)."""
        return self.path / "config.json"

    @property
    def card(self) -> Path:
        """Model card (Markdown)."""
        return self.path / "README.md"

    @property
    def state(self) -> Path:
        """Tensors that only resuming needs (safetensors)."""
        return self.path / "state.safetensors"

    @property
    def values(self) -> Path:
        """Plain values that only resuming needs (JSON)."""
        return self.path / "state.json"

    @property
    def is_usable(self) -> bool:
        """Whether there are weights."""
        return self.weights.is_file()

    @property
    def has_state(self) -> bool:
        """Whether training can go on from it: the optimiser's state is that of the newest alone."""
        return self.state.is_file() and self.values.is_file()

    def drop_state(self) -> None:
        """Keep the weights alone."""
        for file in (self.values, self.state):
            file.unlink(missing_ok=True)

    @property
    def score(self) -> Score | None:
        """What it was worth on held-back frames; None where it was not evaluated, or does not say."""
        with contextlib.suppress(InputError):
            settings = read_json(self.settings, finite=False)
            score = settings.get("score") if isinstance(settings, dict) else None
            return Score.of(score) if isinstance(score, dict) else None
        return None

    def identity(self) -> list[int]:
        """Size and time of the weights: others have others."""
        state = self.weights.stat()
        return [state.st_size, state.st_mtime_ns]


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, whether it is there or still to be made."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "RunFolder":
        """The run of a checkpoint; the checkpoint's own folder where it lies alone."""
        folder = checkpoint.path.parent
        return cls(folder.parent if folder.name == "checkpoints" else checkpoint.path)

    @property
    def recipe(self) -> Path:
        """All settings, resolved (YAML); of a flywheel's folder those of the flywheel."""
        return self.path / "recipe.yaml"

    @property
    def log(self) -> Path:
        """Losses, scores and events, a JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        """Its page."""
        return self.path / REPORT

    @property
    def checkpoint_folder(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def has_recipe(self) -> bool:
        """Whether a run (or a flywheel) was begun there."""
        return self.recipe.is_file()

    def write_recipe(self, values: Mapping[str, Any]) -> Path:
        """Store resolved settings."""
        return write_text(self.recipe, yaml.safe_dump(dict(values), sort_keys=False))

    def inputs(self) -> list[Path]:
        """What is read to use or show the run: settings, log, checkpoints."""
        return [self.recipe, self.log, self.checkpoint_folder]

    def evaluation(self, name: str) -> Path:
        """The JSON file of an evaluation by name."""
        return self.path / "evaluation" / f"{name}.json"

    def evaluations(self) -> list[Path]:
        """JSON files of all evaluations, by name."""
        return sorted(self.evaluation("*").parent.glob("*.json"))

    def checkpoint(self, step: int) -> Checkpoint:
        """The checkpoint of a step, whether it is there or not."""
        return Checkpoint(self.checkpoint_folder / f"step-{step:08d}")

    def checkpoints(self) -> list[Checkpoint]:
        """Whole checkpoints, oldest first: a folder gets its name when everything in it is on disk."""
        folder = self.checkpoint_folder
        names = [entry.name for entry in folder.iterdir() if _STEP.fullmatch(entry.name)] if folder.is_dir() else []
        return sorted((Checkpoint(folder / name) for name in names), key=lambda checkpoint: checkpoint.step)

    def latest(self) -> Checkpoint | None:
        """The checkpoint that is named as the newest, else the newest whole one."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            name = self._latest.read_text(encoding="utf-8").strip()
            if _STEP.fullmatch(name) and (named := Checkpoint(self.checkpoint_folder / name)).is_usable:
                return named
        checkpoints = self.checkpoints()
        return checkpoints[-1] if checkpoints else None

    def by_score(self) -> list[Checkpoint]:
        """Checkpoints that were evaluated as the newest of these was, the best first; of equals the earlier."""
        return ranked((checkpoint, checkpoint.score) for checkpoint in self.checkpoints())

    def name_latest(self, checkpoint: Checkpoint) -> None:
        """Say which checkpoint is the newest."""
        write_text(self._latest, checkpoint.name + "\n")

    @property
    def _latest(self) -> Path:
        return self.checkpoint_folder / "LATEST"

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the log; torn lines are left out. InputError where it cannot be read."""
        return read_json_lines(self.log)

    def rows_until(self, step: int) -> list[dict[str, Any]]:
        """Rows of the log of the steps up to this one; none where it cannot be read."""
        with contextlib.suppress(InputError):
            return [row for row in self.rows() if isinstance(row.get("step"), int) and row["step"] <= step]
        return []

    def labelled(self) -> Labelled | None:
        """Which labelled frames it was trained with; None where its log does not say."""
        with contextlib.suppress(InputError):
            return labelled_of(self.rows())
        return None

    def check_new(self) -> None:
        """InputError unless a new run can be made there."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self} is a file; give a folder that does not exist yet.")
        if self.path.exists() and not all(map(is_leftover, self.path.iterdir())):
            raise InputError(f"{self} exists and is not empty; go on with --resume {self}, or give another --out.")
        check_folder_place(self.path)

    def check_resumable(self) -> None:
        """InputError unless there is a run that can go on."""
        if not self.has_recipe:
            raise InputError(
                f"{self} is no run that can be resumed; start one with vergence train RECIPE --out {self}."
            )
        check_folder_place(self.path)


def is_run(path: Path) -> bool:
    """Whether a folder is a run, or a checkpoint of one."""
    return RunFolder(path).has_recipe or Checkpoint(path).is_usable or _named(path) is not None


def newest_whole(run: RunFolder, resuming: bool = True) -> Checkpoint | None:
    """The newest checkpoint that is whole, None where there is none yet; those that are torn are said in the log.

    Args:
        resuming: it must be whole for training to go on. Else for use; and where none is, the newest is returned, so
            that what reads it says what is wrong.

    Raises:
        InputError: to resume, there are checkpoints, and none is whole.
    """
    named = run.latest()
    others = [checkpoint for checkpoint in reversed(run.checkpoints()) if checkpoint != named]
    order, torn = ([named] if named is not None else []) + others, ""
    for checkpoint in order:
        reason = what_is_torn(checkpoint, resuming)
        if not reason:
            if torn:
                _log.warning("%s; %s %s", torn, "going on from" if resuming else "using", checkpoint.name)
            return checkpoint
        torn = torn or f"{checkpoint} is damaged ({reason})"
    if torn and resuming:
        weights = next((one.name for one in order if not what_is_torn(one, resuming=False)), "")
        raise InputError(
            f"{torn}, and of {weights} the weights alone are whole; restore it, or go on from these, with the "
            f"optimiser's state begun anew: vergence train --resume {run} --train.fresh_optimizer true."
            if weights
            else f"{torn}, and no other checkpoint is whole; restore it, or train anew with another --out."
        )
    return named


def what_is_torn(checkpoint: Checkpoint, resuming: bool = True) -> str:
    """What cannot be read of a checkpoint, to resume or for use alone; "" where it is whole."""
    tensors = [checkpoint.weights, checkpoint.state][: 1 + resuming]
    objects = [(checkpoint.settings, ("config", "step")), (checkpoint.values, ("optimizer", "random", "window"))]
    faults = [torn_tensors(path) for path in tensors]
    faults += [torn_object(path, keys) for path, keys in objects[: 1 + resuming]]
    if not any(faults):
        faults = [altered(path, checkpoint.settings) for path in (*tensors, checkpoint.values)[: 1 + 2 * resuming]]
    return next(filter(None, faults), "")


def best_whole(run: RunFolder) -> Checkpoint:
    """The whole checkpoint with the best score, torn ones are said in the log; InputError where there is none."""
    torn = ""
    for checkpoint in run.by_score():
        reason = what_is_torn(checkpoint, resuming=False)
        if not reason:
            if torn:
                _log.warning("%s; using %s, the next best (%s)", torn, checkpoint.name, checkpoint.score)
            return checkpoint
        torn = torn or f"{checkpoint} is damaged ({reason})"
    if torn:
        raise InputError(f"{torn}, and no other checkpoint that was evaluated is whole; use the last one.")
    raise InputError(
        f"{run} has no checkpoint that was evaluated, so none is known to be the best; use the last one, or train with "
        "--train.evaluate_every N on data with frames to evaluate on."
    )


def _named(path: Path) -> tuple[RunFolder, str] | None:
    """Run and word of RUN/checkpoints/WORD, where WORD is best, last or a step and no folder of this very name."""
    run = RunFolder.of(Checkpoint(path))
    if run.path == path or path.is_dir() or not (run.has_recipe or run.checkpoint_folder.is_dir()):
        return None
    return (run, path.name) if path.name in (BEST, LAST) or _STEP_OR_NUMBER.fullmatch(path.name) else None


def _called(run: RunFolder, word: str) -> Checkpoint:
    """The checkpoint of a run that is called "best", "last" or by its step; InputError where there is none."""
    if word == BEST:
        return best_whole(run)
    if word == LAST:
        return find_checkpoint(run.path)
    match = _STEP_OR_NUMBER.fullmatch(word)
    checkpoint = run.checkpoint(int(match[1])) if match is not None else None
    if checkpoint is None or not checkpoint.path.is_dir():
        there = ", ".join(one.name for one in run.checkpoints()) or "none"
        raise InputError(f"{run.checkpoint_folder / word} does not exist; the checkpoints of {run} are: {there}.")
    return checkpoint


def chosen(run: Path | str, checkpoint: str | int = LAST) -> Path | str:
    """The path of one checkpoint of a run, as whatever takes a run takes it.

    Args:
        run: run folder; of "last" anything, which is given back.
        checkpoint: "best" (by its score), "last" or a step; InputError where there is no such one.
    """
    word, run = str(checkpoint), run_here(run)
    if word == LAST:
        return run
    folder = RunFolder(Path(run))
    if not folder.checkpoint_folder.is_dir():
        raise InputError(f"{run} is no run folder, so it has no checkpoint {word}; give one, or leave checkpoint out.")
    if word != BEST:
        _called(folder, word)
    return folder.checkpoint_folder / word


def called(path: Path | str) -> str:
    """What a checkpoint was asked for as, of what :func:`find_checkpoint` was given: "best", "last" or its step."""
    path = Path(path)
    named = _named(path)
    if named is not None and named[1] in (BEST, LAST):
        return named[1]
    match = _STEP_OR_NUMBER.fullmatch(path.name)
    return LAST if match is None or not (named or Checkpoint(path).is_usable) else str(int(match[1]))


def find_checkpoint(path: Path | str) -> Checkpoint:
    """The newest whole checkpoint of a run, or the one that ``path`` is or names; InputError where there is none.

    ``RUN/checkpoints/best`` names the best by its score, ``RUN/checkpoints/N`` that of a step.
    """
    path = run_here(path)
    alone, run = Checkpoint(Path(path)), RunFolder(Path(path))
    if alone.is_usable:
        return alone
    if (named := _named(alone.path)) is not None:
        return _called(*named)
    if not run.checkpoint_folder.is_dir() and not run.has_recipe:
        reason = "is no run folder" if run.path.exists() else "does not exist"
        raise InputError(f"{path} {reason}; give the folder that vergence train wrote with --out.")
    checkpoint = newest_whole(run, resuming=False)
    if checkpoint is None:
        raise InputError(f"{path} has no checkpoint yet; train it further with vergence train --resume {path}.")
    return checkpoint


def find_weights(path: Path | str) -> Path:
    """The weights file of a run or of a checkpoint, or the file itself; another path as it is.

    Raises:
        InputError: RUN/checkpoints/WORD names none, or the file is not what was written with its checkpoint.
    """
    path = Path(run_here(path))
    if _named(path) is not None:
        return check_unaltered(find_checkpoint(path).weights)
    latest = newest_whole(RunFolder(path), resuming=False) if path.is_dir() else None
    alone = Checkpoint(path)
    return check_unaltered(latest.weights if latest is not None else alone.weights if alone.is_usable else path)


def check_unaltered(file: Path) -> Path:
    """A file of a checkpoint, or another; InputError where it is not what was written with its checkpoint."""
    if reason := altered(file, Checkpoint(file.parent).settings):
        raise InputError(f"{file.parent} is damaged ({reason}); use another checkpoint, or get the file again.")
    return file


def named_checkpoint(path: Path) -> tuple[RunFolder, Checkpoint | None]:
    """Run and checkpoint of RUN/checkpoints/WORD: best, last, or step-N however many digits N has; None for the run.

    Raises:
        InputError: the run has no such checkpoint.
    """
    run = RunFolder.of(Checkpoint(path))
    if run.path == path or not (path.name in (BEST, LAST) or _STEP_OR_NUMBER.fullmatch(path.name)):
        return RunFolder(path), None
    return run, None if path.name == LAST else _called(run, path.name)
