"""Evaluation while a run trains: on held-back frames, with truth or without, and what is the best so far."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate_run
from vergence.evaluation.label_free import LabelFree
from vergence.inference.inputs import has_label, has_truth
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config import RunConfig
from vergence.runs.folder import RunFolder
from vergence.runs.processes import Processes, ProcessLost
from vergence.runs.scores import BestSoFar, Score, measured
from vergence.training.sharding import put_together
from vergence.training.state import TrainingState
from vergence.training.tracking import RunLog

_log = logging.getLogger("vergence")
_SHOWN = ("abs_rel", "rmse", "a1", "miou", "pixel_accuracy", "photometric", "photometric_unmoved", "flip_miou")


class Validation:
    """The frames of a run that are evaluated on, and what evaluations have found up to now.

    Args:
        config: of the run.
        folder: where it lies.
        frames: to evaluate on, None for no evaluation.
        accelerator: Hugging Face Accelerate.
        before: rows of the log of the steps that are done.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        frames: Manifest | None,
        accelerator: Any,
        before: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.config, self.folder, self.frames, self.accelerator = config, folder, frames, accelerator
        self.best = BestSoFar(before)
        self.score: Score | None = None
        """What the last evaluation gave."""
        self.row: dict[str, Any] | None = None
        """What of it is logged."""
        self.is_best = False
        """Whether the last evaluation was the best so far."""
        self._digest = "" if frames is None else frames.digest()
        self._label_free: LabelFree | None = None

    def is_due(self, step: int) -> bool:
        """Whether there is an evaluation after this step."""
        settings = self.config.train
        every = settings.evaluate_every
        return self.frames is not None and every > 0 and (step == settings.steps or step % every == 0)

    @property
    def exhausted(self) -> str:
        """Why training ends before its last step, in words; "" where it does not."""
        return self.best.exhausted(self.config.train.stop_after)

    def judge(self, state: TrainingState, log: RunLog) -> str:
        """Score the weights that would be stored, each process its share of frames; returns a line for people."""
        assert self.frames is not None
        self.score, self.row, self.is_best = None, None, False
        processes = Processes.of(self.accelerator)
        processes.share_buffers(state.method)
        try:
            with state.stored_weights(), put_together(state.method):
                row = self._row(LoadedRun(self.folder.path, self.config, state.method, state.step), processes)
        except ProcessLost:
            raise
        except InputError as error:  # a broken file there is no reason to lose the training
            if self.accelerator.is_main_process:
                _log.warning("not evaluated at step %d: %s", state.step, error)
            log.write(state.step, "event", {"event": "not evaluated", "reason": str(error)})
            return ""
        self.score = measured(row, self._digest)
        if self.score is not None:
            row |= self.score.to_dict()
            self.is_best = self.best.add(state.step, self.score)
        self.row = row
        log.write(state.step, "evaluate", row)
        text = f"step {state.step}: " + "  ".join(f"{key} {row[key]:.4f}" for key in _SHOWN if key in row)
        return f"{text}  best so far" if self.is_best else text

    def _row(self, run: LoadedRun, processes: Processes) -> dict[str, Any]:
        """What is logged of an evaluation."""
        assert self.frames is not None
        if not has_any_truth(self.frames, run.method.tasks):
            self._label_free = self._label_free or LabelFree(self.config, self.frames)
            return self._label_free.score(run, processes)
        scoring = Scoring(baselines=False, odometry=False, limit=self.config.evaluate.limit)
        result = evaluate_run(run, self.frames, scoring, processes=processes)
        row: dict[str, Any] = {}
        if result["rows"]:
            row |= {"protocol": result["protocol"], **_numbers(result["rows"][0])}
        if "segmentation" in result:
            row |= {
                "segmentation": result["segmentation"]["protocol"], **_numbers(result["segmentation"]["rows"][0]),
            }  # fmt: skip
        return row


def has_any_truth(manifest: Manifest, tasks: tuple[str, ...]) -> bool:
    """Whether any frame has measured depth or labels, of what is predicted."""
    kinds = {"depth": has_truth, "segmentation": has_label}
    return any(kinds[task](manifest, index) for task in tasks for index in range(len(manifest)))


def _numbers(row: dict[str, Any]) -> dict[str, int | float]:
    return {key: value for key, value in row.items() if isinstance(value, int | float)}
