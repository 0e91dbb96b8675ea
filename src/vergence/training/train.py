"""The one training loop: batches of the method's roles, its losses, a step; log, evaluate, checkpoint."""

import contextlib
import itertools
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.loading import prepare_batch
from vergence.errors import InputError, Interrupted
from vergence.mixing.draws import step_generator
from vergence.models.encoders import Encoder
from vergence.runs.checkpoint import read_settings
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint, RunFolder, newest_whole
from vergence.runs.labelled import labelled_event
from vergence.runs.processes import Processes, lost_process_said
from vergence.runs.run_lock import locked
from vergence.runs.scores import Score
from vergence.training.agreement import check_data_agree, check_settings_agree
from vergence.training.batch_size import settle_batch_size
from vergence.training.callbacks import Callbacks, means_of
from vergence.training.optim import set_learning_rates
from vergence.training.pools import build_loaders, open_training_data
from vergence.training.resuming import check_unchanged
from vergence.training.runtime import StopSignal, algorithms, finish, start_accelerator
from vergence.training.state import TrainingState, open_folder
from vergence.training.tracking import Pace, ProgressLine, RunLog, check_trackers
from vergence.training.validation import Validation

_log = logging.getLogger("vergence")
_NO_CALLBACKS = Callbacks()


def train(
    config: RunConfig,
    run: Path | str,
    resume: bool = False,
    checkpoint: Checkpoint | None = None,
    callbacks: Callbacks = _NO_CALLBACKS,
) -> Path:
    """Train to the last step in the run folder ``run``, from the beginning or from its newest checkpoint.

    Args:
        checkpoint: to resume from this one; what came after it is dropped.
        callbacks: what is called meanwhile.

    Raises:
        InputError: the folder exists (or, to resume, does not), the input cannot be used, the output cannot be
            written, the loss is no longer finite, a callback failed, or processes of one training were given
            different settings or data.
        Interrupted: SIGINT or SIGTERM came; the checkpoint is written.
    """
    folder = RunFolder(Path(run))
    check_trackers(config.train.trackers)
    accelerator = start_accelerator(config.train)
    try:
        on_gpu = accelerator.device.type == "cuda"
        with algorithms(config.train, on_gpu), lost_process_said(Processes.of(accelerator), folder.path):
            check_settings_agree(config, Processes.of(accelerator))
            _train(config, folder, accelerator, resume, checkpoint, callbacks)
        return folder.path
    finally:
        finish(accelerator)


def _train(
    config: RunConfig,
    folder: RunFolder,
    accelerator: Any,
    resume: bool,
    checkpoint: Checkpoint | None,
    callbacks: Callbacks,
) -> None:
    main = accelerator.is_main_process
    with contextlib.ExitStack() as held:
        if main and resume:
            folder.check_resumable()
            held.enter_context(locked(folder.path))
        elif main:
            folder.check_new()
        if resume and checkpoint is None:
            checkpoint = newest_whole(folder, resuming=not config.train.fresh_optimizer)
        with contextlib.closing(Loop(config, folder, accelerator, checkpoint, callbacks)) as loop:
            if main and not resume:  # nothing is written before all is known to be right
                held.enter_context(locked(folder.path))
                folder.check_new()
            loop.run()


class Loop:
    """One run in this process: what the steps need, and the steps.

    Whatever can be wrong with settings and data shows while this is built, before anything is written.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        accelerator: Any,
        checkpoint: Checkpoint | None,
        callbacks: Callbacks = _NO_CALLBACKS,
    ) -> None:
        self.callbacks = callbacks if accelerator.is_main_process else _NO_CALLBACKS
        self.config, self.folder, self.accelerator = config, folder, accelerator
        self.log: RunLog | None = None
        self.pace = Pace()
        self.remarks: set[str] = set()
        self.data = open_training_data(config, accelerator.device.type, Processes.of(accelerator))
        check_data_agree(self.data.digests, Processes.of(accelerator))
        settle_batch_size(config, self.data.roles, accelerator, checkpoint)
        if checkpoint is not None:
            check_unchanged(checkpoint, config, self.data.digests)
        self.loaders = build_loaders(config, self.data.roles, checkpoint, accelerator)
        self.batches = self._batches()
        self.batches = itertools.chain([next(self.batches)], self.batches)  # a broken first frame shows now
        self.state = TrainingState(config, accelerator, checkpoint, self.data.digests)
        config.train.allow_changes = config.train.fresh_optimizer = False  # were said for this once
        before = [] if checkpoint is None else folder.rows_until(self.state.step)
        self.validation = Validation(config, folder, self.data.evaluation, accelerator, before)

    def run(self) -> None:
        """All steps that are left."""
        state, settings, main = self.state, self.config.train, self.accelerator.is_main_process
        if state.step >= settings.steps:
            _log.warning("%s is finished at step %d; give --train.steps to go further", self.folder, state.step)
            return
        if enough := self.validation.exhausted:
            told = "%s stopped early at step %d: %s; give --train.stop_after 0 (or more than %d) to go further"
            _log.warning(told, self.folder, state.step, enough, settings.stop_after)
            return
        self.log = open_folder(self.folder, self.config, state, main)
        if self.data.labelled is not None:
            subset = self.data.labelled
            self.log.write(state.step, "event", labelled_event(subset.digest, subset.describe))
        self._tell_random_start()
        with StopSignal() as stop, ProgressLine(settings.steps, state.step, main) as progress:
            self.pace.reset()
            while state.step < settings.steps:
                values = self._step()
                done = state.step
                if self.callbacks.step is not None:
                    self._call("step", means_of(values))
                last = done == settings.steps
                logs = last or done % settings.log_every == 0
                stopped = stop.agreed(self.accelerator, ask=logs)
                judges = self.validation.is_due(done)
                saves = last or stopped is not None or done % settings.checkpoint_every == 0
                if logs or saves or judges:
                    losses = self._finite_losses()
                if logs:
                    progress.show(done, self._log_losses(losses))
                progress.advance(done)
                if judges:
                    with self.pace.pause():
                        progress.say(self.validation.judge(state, self.log))
                    if self.validation.row is not None:
                        self._call("evaluation", dict(self.validation.row))
                enough = self.validation.exhausted if judges else ""
                if saves or enough or (judges and self.validation.is_best):
                    with self.pace.pause():
                        self._save(self.validation.score if judges else None)
                if stopped is not None and not last:
                    state.join()
                    text = f"stopped at step {done} of {settings.steps}; vergence train --resume {self.folder} goes on."
                    raise Interrupted(text, 128 + stopped)
                if enough and not last:
                    progress.say(f"stopped early at step {done} of {settings.steps}: {enough}")
                    self.log.write(done, "event", {"event": "stopped early", "reason": enough})
                    break
            else:
                self.log.write(state.step, "event", {"event": "finished"})
        state.join()
        self._call("end", self.folder.path)

    def _tell_random_start(self) -> None:
        """Note encoders that were to start from pretrained weights, and did not, for whoever reads the numbers."""
        assert self.log is not None
        parts = self.state.method.modules() if self.state.step == 0 and not self.config.section.starts_from else ()
        for name in dict.fromkeys(part.name for part in parts if isinstance(part, Encoder) and part.without_weights):
            message = (
                f"Encoder {name} started from random weights: weights auto found none. Pretrained ones teach faster; "
                "`vergence doctor` says where they may come from."
            )
            self.log.write(0, "event", {"event": "random weights", "level": "warning", "message": message})

    def _save(self, score: Score | None = None) -> None:
        """Store what is done."""
        self.state.save(self.folder, score)
        if self.callbacks.checkpoint is not None:
            self.state.join()  # it may look at the files
        self._call("checkpoint", self.folder.checkpoint(self.state.step).path)

    def _call(self, event: str, value: Any) -> None:
        """Call a callback; where it fails, what is done is stored first."""
        try:
            with self.pace.pause():
                self.callbacks.call(event, self.state.step, value)
        except InputError:
            self._store_done()
            raise

    def _store_done(self) -> Checkpoint | None:
        """Store the steps that have no checkpoint yet, in a process that is alone; the newest checkpoint then."""
        self.state.join()
        latest = self.folder.latest()
        if self.accelerator.num_processes == 1 and self.state.step > (
            0 if latest is None else read_settings(latest)[1]
        ):
            self.state.save(self.folder)
            self.state.join()
            latest = self.folder.latest()
        return latest

    def _batches(self) -> Iterator[dict[str, Batch]]:
        """Batches by role, on the device; keeps account of the time spent waiting."""
        iterators = {role: iter(loader) for role, loader in self.loaders.items()}
        while True:
            start = time.perf_counter()
            loaded = {role: next(iterator) for role, iterator in iterators.items()}
            self.pace.waited(time.perf_counter() - start)
            yield {role: prepare_batch(batch, self.accelerator.device) for role, batch in loaded.items()}

    def _next_batches(self) -> dict[str, Batch]:
        """InputError where frames cannot be loaded any more; the steps that are done are stored first."""
        try:
            return next(self.batches)
        except InputError as error:
            if (latest := self._store_done()) is None:
                raise
            raise InputError(
                f"{str(error).rstrip('.')}; the last checkpoint is {latest.name}, vergence train --resume "
                f"{self.folder} goes on from it."
            ) from error

    def _step(self) -> list[dict[str, Tensor]]:
        """One step of the optimiser, and the losses of its parts; nothing in it waits for the device."""
        parts: list[dict[str, Tensor]] = []
        state, accelerator = self.state, self.accelerator
        processes, seed = Processes.of(accelerator), self.config.train.seed
        set_learning_rates(state.optimizer, self.config.optim, self.config.train.steps, state.step)
        for part in range(self.config.train.accumulate):
            batches = self._next_batches()
            if state.is_sharded:  # as DistributedDataParallel does before each pass
                processes.share_buffers(state.method)
            state.method.generator = step_generator(seed, state.step, part, processes.rank, processes.world)
            with accelerator.accumulate(state.model):
                losses: dict[str, Tensor] = state.model(batches, state.step)
                loss = torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum()
                accelerator.backward(loss)
                if accelerator.sync_gradients and self.config.optim.clip is not None:
                    accelerator.clip_grad_norm_(state.parameters, self.config.optim.clip)
                state.optimizer.step()
                state.optimizer.zero_grad()
            parts.append({"loss": loss, **losses})
            state.window.add(parts[-1])
            self.pace.count(int(self.config.frames.batch_size) * len(batches))
        state.method.after_step(state.step)
        if state.average is not None:
            state.average.update(state.step)
        state.step += 1
        return parts

    def _finite_losses(self) -> dict[str, float]:
        """Mean losses since the last logging; InputError, and no further checkpoint, if one is not finite."""
        state = self.state
        losses = state.window.means(self.accelerator)
        wrong = [key for key, value in losses.items() if not math.isfinite(value) and not key.startswith("_")]
        if not wrong and math.isfinite(losses["loss"]):
            return losses
        assert self.log is not None
        self.log.write(state.step, "event", {"event": "loss is not finite", "losses": wrong})
        state.join()
        checkpoint = self.folder.latest()
        remedy = (
            f"its last good checkpoint is {checkpoint}" if checkpoint is not None else "there was no checkpoint yet"
        )
        raise InputError(
            f"the loss ({', '.join(wrong)}) is no longer finite between steps {state.window.start + 1} and "
            f"{state.step} of {self.folder}; {remedy}; lower --optim.lr or set --optim.clip, and train again."
        )

    def _log_losses(self, losses: dict[str, float]) -> dict[str, Any]:
        """Write a row of losses, rates and pace."""
        assert self.log is not None
        groups = {group["name"]: group["lr"] for group in self.state.optimizer.param_groups}
        row: dict[str, Any] = {**losses, "lr": next(iter(groups.values()))}
        if len(set(groups.values())) > 1:
            row.update({f"lr/{name}": rate for name, rate in groups.items()})
        row.update(self.pace.read())
        self.log.write(self.state.step, "train", row)
        self._remark(losses)
        self.state.window.clear(self.state.step)
        self.pace.reset()
        return row

    def _remark(self, losses: dict[str, float]) -> None:
        """What the method has to say of the steps since the last logging, once in a run."""
        assert self.log is not None
        remark = self.state.method.remark(losses)
        if remark and remark not in self.remarks:
            self.remarks.add(remark)
            _log.warning("steps %d to %d: %s", self.state.window.start + 1, self.state.step, remark)
            self.log.write(self.state.step, "event", {"event": "remark", "remark": remark})

    def close(self) -> None:
        """End loading processes, what writes checkpoints, and files."""
        for loader in self.loaders.values():
            loader.close()
        self.state.close()
        if self.log is not None:
            self.log.close()
