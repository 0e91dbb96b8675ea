"""The one training loop: batches, losses, backward, step; log, evaluate, checkpoint."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from vergence.data.loading import FrameLoader, build_loader, prepare_batch
from vergence.engine.checkpoint import (
    LoadedRun,
    clean_leftovers,
    create_run,
    latest_checkpoint,
    load_weights,
    read_run_config,
    read_state,
    save_checkpoint,
)
from vergence.engine.config import RunConfig
from vergence.engine.optim import build_optimizer, build_schedule
from vergence.engine.runtime import (
    Stopper,
    build_accelerator,
    seed_step,
    training_dataset,
    training_frames,
    worker_count,
)
from vergence.engine.tracking import MetricsFile, ProgressLine, check_trackers
from vergence.errors import InputError
from vergence.methods import METHODS, Method

log = logging.getLogger("vergence")


class Stopped(SystemExit):
    """Training ended early on a signal, after a checkpoint; carries the exit code 128 + signal."""


@dataclass
class Averages:
    """Sums of losses on the device since the last logged step; read, and so synchronised, only there."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0
    waited: float = 0.0
    since: float = field(default_factory=time.perf_counter)

    def add(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0) + value.detach().float()
        self.count += 1

    def read(self, accelerator: Accelerator, images: int) -> dict[str, float]:
        names = list(self.sums)
        stacked = torch.stack([self.sums[name] for name in names]) / self.count
        values = accelerator.reduce(stacked, "mean").tolist()
        elapsed = time.perf_counter() - self.since
        means = {name.removeprefix("_"): value for name, value in zip(names, values, strict=True)}
        means["loss"] = sum(value for name, value in zip(names, values, strict=True) if not name.startswith("_"))
        means["images_per_second"] = images * self.count / elapsed
        means["data_wait"] = self.waited / elapsed
        self.sums, self.count, self.waited, self.since = {}, 0, 0.0, time.perf_counter()
        return means


class Trainer:
    """Everything one run holds; :meth:`fit` is the loop."""

    def __init__(self, config: RunConfig, path: Path, resume: bool = False) -> None:
        check_trackers(config.train.trackers)
        self.accelerator = build_accelerator(config)
        manifest = training_frames(config.frames)
        self.config, self.path, self.manifest = config, path, manifest
        build = METHODS[config.method][1]
        torch.manual_seed(config.train.seed)
        settings = config.settings.for_loading(keep_reference=True) if resume else config.settings
        self.method: Method = build(settings, config.frames.options, config.train.seed)
        state: dict[str, Any] = {"step": 0}
        if resume and latest_checkpoint(path) is not None:
            weights, state = read_state(path)
            load_weights(self.method, weights, path)
        elif resume:
            self.method = build(config.settings, config.frames.options, config.train.seed)
        if state["step"] == 0:
            self.method.initialize()
        self.step: int = state["step"]
        dataset = training_dataset(config, manifest)
        if not resume and self.accelerator.is_main_process:
            create_run(path, config)
        self._prepare(state)
        start = self.step * config.train.accumulate
        workers, world = worker_count(config.frames.workers), self.accelerator.num_processes
        self.loaders: dict[str, FrameLoader] = {
            role: build_loader(
                dataset, config.frames.batch_size, workers, config.train.seed, self.accelerator.process_index, world, start
            )
            for role in self.method.roles
        }
        self.metrics = MetricsFile(path / "metrics.jsonl")
        if self.accelerator.is_main_process:
            clean_leftovers(path)
            self.metrics.drop_after(self.step)

    def _prepare(self, state: dict[str, Any]) -> None:
        """Device, precision, processes, optimiser; the stored state put back."""
        train = self.config.train
        if train.channels_last:
            self.method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.method.to(self.accelerator.device)
        optimizer = build_optimizer(self.config.optim, self.method.parameter_groups())
        self.schedule = build_schedule(self.config.optim, optimizer, train.steps)
        self.averaged: dict[str, Tensor] | None = None
        if train.ema is not None:
            source = state.get("averaged") or self.method.state_dict()
            self.averaged = {name: value.detach().clone().to(self.accelerator.device) for name, value in source.items()}
        model = torch.compile(self.method) if train.compile else self.method
        self.model = self.accelerator.prepare_model(model)
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)
        if "optimizer" in state:
            optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(state["scaler"])

    def fit(self) -> None:
        """Train to the last step; leaves a checkpoint there (or, on a signal, here and now)."""
        train, averages = self.config.train, Averages()
        progress = ProgressLine(train.steps, self.step, quiet=not self.accelerator.is_main_process)
        batches = {role: iter(loader) for role, loader in self.loaders.items()}
        self.model.train()
        try:
            with Stopper() as stopper:
                while self.step < train.steps:
                    averages.add(self._update(batches, averages))
                    self.step += 1
                    last = self.step == train.steps
                    if self.step % train.log_every == 0 or last:
                        self._log(averages, progress)
                    if train.evaluate_every and (self.step % train.evaluate_every == 0 or last):
                        self._evaluate(progress)
                    if self.step % train.checkpoint_every == 0 or last or stopper.signal is not None:
                        self.checkpoint()
                    if stopper.signal is not None and not last:
                        progress.say(f"stopped at step {self.step}; go on with: vergence train --resume {self.path}")
                        raise Stopped(128 + stopper.signal)
        finally:
            progress.close()
            for loader in self.loaders.values():
                loader.close()

    def _update(self, batches: dict[str, Iterator[Any]], averages: Averages) -> dict[str, Tensor]:
        """One optimiser step over ``accumulate`` backward passes; returns the mean losses, on the device."""
        train, total = self.config.train, {}
        seed_step(train.seed, self.step, self.accelerator.process_index)
        for part in range(train.accumulate):
            began = time.perf_counter()
            loaded = {role: next(stream) for role, stream in batches.items()}
            averages.waited += time.perf_counter() - began
            ready = {role: prepare_batch(batch, self.accelerator.device) for role, batch in loaded.items()}
            with self.accelerator.no_sync(self.model) if part + 1 < train.accumulate else nullcontext():
                with self.accelerator.autocast():
                    losses = self.model(ready, self.step)
                loss = torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
                self.accelerator.backward(loss / train.accumulate)
            for name, value in losses.items():
                total[name] = total.get(name, 0) + value.detach() / train.accumulate
        if self.config.optim.clip is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optim.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.after_step(self.step)
        if self.averaged is not None and train.ema is not None:
            self._average(train.ema)
        return total

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        assert self.averaged is not None
        own = self.method.state_dict()
        floating = [name for name, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.averaged[n] for n in floating], [own[n] for n in floating], 1 - decay)
        for name in own.keys() - set(floating):
            self.averaged[name].copy_(own[name])

    def _log(self, averages: Averages, progress: ProgressLine) -> None:
        images = self.config.frames.batch_size * self.config.train.accumulate * self.accelerator.num_processes
        values = averages.read(self.accelerator, images)
        values["lr"] = max(self.schedule.get_last_lr())
        if not math.isfinite(values["loss"]):
            kept = latest_checkpoint(self.path)
            raise InputError(
                f"the loss is {values['loss']} at step {self.step}; the last checkpoint ({kept.name if kept else 'none'}) "
                "is untouched: lower optim.lr, set optim.clip, or use full precision."
            )
        if self.accelerator.is_main_process:
            self.metrics.write("train", self.step, values)
            progress.logged(self.step, values)

    def _evaluate(self, progress: ProgressLine) -> None:
        """Score the model (averaged weights where there are any) on the evaluation split, without the baselines."""
        if not self.accelerator.is_main_process:
            return
        from vergence.engine.evaluate import evaluate_run, open_data

        own = None
        if self.averaged is not None:
            own = {name: value.clone() for name, value in self.method.state_dict().items()}
            self.method.load_state_dict(self.averaged)
        run = LoadedRun(self.path, self.config, self.method, self.step)
        settings = self.config.evaluate
        try:
            data = open_data(run, None, None)
            result = evaluate_run(run, data, settings.protocol, settings.flip, baselines=False, odometry=False, limit=settings.limit)
        except InputError as error:
            log.warning("not evaluated at step %d: %s", self.step, error)
            self.metrics.write("event", self.step, {"warning": f"not evaluated: {error}"})
            return
        finally:
            if own is not None:
                self.method.load_state_dict(own)
        row = {name: value for name, value in result["rows"][0].items() if isinstance(value, int | float)}
        self.metrics.write("evaluate", self.step, row)
        progress.say(f"step {self.step}  {result['protocol']}: abs_rel {row['abs_rel']:.4f}")

    def checkpoint(self) -> None:
        """Write a checkpoint of the present step (first process only)."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            optimizer = self.optimizer.optimizer if hasattr(self.optimizer, "optimizer") else self.optimizer
            scaler = self.accelerator.scaler
            state = {
                "step": self.step,
                "optimizer": optimizer.state_dict(),
                "schedule": {k: v for k, v in self.schedule.state_dict().items() if k != "lr_lambdas"} | {"lr_lambdas": [None]},
                "scaler": None if scaler is None else scaler.state_dict(),
            }
            save_checkpoint(self.path, self.config, self.method, self.averaged, state, self.config.train.keep)
        self.accelerator.wait_for_everyone()


def train(config: RunConfig, out: Path | str) -> Path:
    """Train a fresh run into the folder ``out``; InputError if it exists and is not empty."""
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        create_run(path, config)  # raises with the right sentence before anything is built
    Trainer(config, path).fit()
    return path


def resume(out: Path | str) -> Path:
    """Go on with a run from its latest checkpoint, to the same numbers as if it had never stopped."""
    path = Path(out)
    Trainer(read_run_config(path), path, resume=True).fit()
    return path

