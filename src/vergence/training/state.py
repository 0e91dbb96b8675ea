"""The state of training: networks, optimiser, mean weights, sums being logged, randomness; saved and restored."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor

import vergence
from vergence.errors import InputError
from vergence.runs.checkpoint import (
    TRAINING_ONLY,
    build_method,
    check_space,
    load_weights,
    read_object,
    read_settings,
    read_tensors,
    write_checkpoint,
)
from vergence.runs.config import RunConfig
from vergence.runs.folder import ANY_CHECKPOINT, Checkpoint, RunFolder
from vergence.runs.model_card import describe_scale
from vergence.runs.run_lock import clean_leftovers
from vergence.runs.scores import Score
from vergence.training.checkpoint_writer import CheckpointWriter
from vergence.training.optim import WeightAverage, build_optimizer
from vergence.training.optim_state import optimizer_state, restore_optimizer
from vergence.training.resuming import drop_later
from vergence.training.runtime import random_state, restore_random_state, seed_everything
from vergence.training.sharding import all_whole, as_shared, shard, whole
from vergence.training.tracking import RunLog, Window, drop_rows_after


class TrainingState:
    """Everything that a checkpoint holds, on its device.

    Args:
        config: of the run.
        accelerator: Hugging Face Accelerate.
        checkpoint: to go on from, or None for a start from the method's own weights.
        data: digests of the frames that the run reads, for the checkpoints.

    Raises:
        InputError: the method cannot be built, or the checkpoint is damaged or of another run.
    """

    def __init__(
        self, config: RunConfig, accelerator: Any, checkpoint: Checkpoint | None, data: Mapping[str, str] | None = None
    ) -> None:
        self.config, self.accelerator, self.data = config, accelerator, data
        settings = config.train
        self.step = 0
        self.writer = CheckpointWriter() if settings.async_checkpoints and accelerator.is_main_process else None
        self.window = Window()
        seed_everything(settings.seed)
        fresh = checkpoint is None or settings.fresh_optimizer
        self.method = build_method(config, "training" if fresh else "resuming")
        stored = None
        if fresh:
            self.method.initialize()
        if checkpoint is not None and fresh:
            self._take_weights(checkpoint)
        elif checkpoint is not None:
            stored = self._restore_weights(checkpoint)
        if accelerator.process_index > 0:  # the same weights, other noise
            seed_everything(settings.seed + accelerator.process_index)
        self.method.train()
        self.is_sharded = settings.sharded and accelerator.num_processes > 1
        if settings.channels_last and not self.is_sharded:  # FSDP shares out contiguous weights alone
            self.method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.method.to(accelerator.device)
        if settings.sync_batchnorm and accelerator.num_processes > 1:
            convert_sync_batchnorm(self.method)  # timm's keeps the activation inside its own layers
        if self.is_sharded:
            shard(self.method, accelerator.device)
        if settings.compile == "step":
            _check_compiler(accelerator.device)
            self.method.compile_step()
        elif settings.compile:
            self.method.compile()
        groups = self.method.parameter_groups()
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        optimizer = build_optimizer(config.optim, groups)
        # the method is in its place; to look whether it has a place of its own, accelerate would import sympy
        if self.is_sharded:  # FSDP takes the place of what accelerate wraps methods in
            self.model = accelerator.prepare_model(self.method, device_placement=False, evaluation_mode=True)
            self.optimizer = accelerator.prepare_optimizer(optimizer, device_placement=True)
        else:
            self.model, self.optimizer = accelerator.prepare(self.method, optimizer, device_placement=[False, True])
        self.average: WeightAverage | None = None
        if checkpoint is not None and stored is not None:
            self._restore(checkpoint, *stored)
        elif settings.ema is not None:
            self.average = WeightAverage(self.method, settings.ema)

    def save(self, run: RunFolder, score: Score | None = None) -> None:
        """Write a checkpoint (on the main process; all must call), with its score where it was evaluated.

        With ``train.async_checkpoints`` it is whole after :meth:`join`.
        """
        states, main = random_state(self.accelerator), self.accelerator.is_main_process
        if main or self.is_sharded:
            self._check_finite_weights(run)
            tensors, plain = self._needed_to_resume(states, main)
            with self.stored_weights():
                weights = all_whole(self.method.state_dict(), main)
                for name in [name for name in weights if name.startswith(TRAINING_ONLY)]:
                    tensors[f"method/{name}"] = weights.pop(name)
                plain["tensors"] = sorted(tensors)
                if main:
                    (write_checkpoint if self.writer is None else self.writer.write)(
                        run=run, step=self.step, config=self.config, weights=weights, tensors=tensors, values=plain,
                        scale=describe_scale(self.method), data=self.data, score=score,
                    )  # fmt: skip
        self.accelerator.wait_for_everyone()

    def _needed_to_resume(self, states: list[dict[str, Any]], main: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors, on the main process alone, and values that resuming needs beside what the model is used with."""
        tensors, values = optimizer_state(self.optimizer, self.method)
        tensors = {f"optimizer/{name}": tensor for name, tensor in tensors.items()}
        tensors.update({f"window/{name}": tensor.clone() for name, tensor in self.window.sums.items()})
        if self.average is not None:
            parameters = self.average.parameters
            tensors.update({f"raw/{name}": parameter.detach().clone() for name, parameter in parameters.items()})
        plain = {
            "optimizer": values,
            "random": states,
            "window": {
                "counts": {name: float(count) for name, count in self.window.counts.items()},
                "start": self.window.start,
            },
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else None,
        }
        return all_whole(tensors, main), plain

    def join(self) -> None:
        """Wait until checkpoints are written; InputError where one could not be."""
        if self.writer is not None:
            self.writer.join()

    def close(self) -> None:
        """End what writes checkpoints, after the last one."""
        if self.writer is not None:
            self.writer.close()

    @contextlib.contextmanager
    def stored_weights(self) -> Iterator[None]:
        """While entered, the method has the weights that a checkpoint stores for use: the running mean, if any."""
        if self.average is not None:
            self.average.swap()
        try:
            yield
        finally:
            if self.average is not None:
                self.average.swap()

    def restore_randomness(self) -> None:
        """Set the random generators as they were at the checkpoint; call it when loading has begun."""
        if self._random is not None:
            restore_random_state(self._random, self.accelerator)

    _random: list[dict[str, Any]] | None = None

    def _take_weights(self, checkpoint: Checkpoint) -> None:
        """Go on from weights alone; what is frozen is as a run begins with it, and all else begins anew."""
        self.step = read_settings(checkpoint)[1]
        frozen = {name: value for name, value in self.method.state_dict().items() if name.startswith(TRAINING_ONLY)}
        load_weights(self.method, frozen | read_tensors(checkpoint.weights), checkpoint.weights)
        self.method.begin_anew()

    def _restore_weights(self, checkpoint: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Load weights, while they are whole; what :meth:`_restore` takes."""
        stored, self.step = read_settings(checkpoint)
        if stored.method != self.config.method or stored.optim.name != self.config.optim.name:
            raise InputError(
                f"{checkpoint} is of method {stored.method} with {stored.optim.name}, the run of {self.config.method} "
                f"with {self.config.optim.name}; resume it with the settings it began with."
            )
        tensors, values = read_tensors(checkpoint.state), read_object(checkpoint.values)
        with _damage_said(checkpoint):
            self._check_whole(checkpoint, tensors, values)
            weights = read_tensors(checkpoint.weights) | _below(tensors, "method/")
            load_weights(self.method, weights, checkpoint.weights)
        return tensors, values

    def _restore(self, checkpoint: Checkpoint, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        with _damage_said(checkpoint):
            self._restore_average(tensors)
            restore_optimizer(self.optimizer, self.method, _below(tensors, "optimizer/"), values["optimizer"])
            window = values["window"]
            sums = _below(tensors, "window/")
            self.window.restore(sums, window["counts"], int(window["start"]), self.accelerator.device)
            self._random = values["random"]
            if self.accelerator.scaler is not None and values["scaler"]:
                self.accelerator.scaler.load_state_dict(values["scaler"])

    def _check_whole(self, checkpoint: Checkpoint, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """InputError where the resume state lacks tensors: training would go on from zeros without a word."""
        missing = sorted(set(values.get("tensors", ())) - tensors.keys())
        remedy = f"resume from another checkpoint, such as vergence train --resume {ANY_CHECKPOINT}."
        if missing:
            raise InputError(f"{checkpoint.state} lacks {len(missing)} tensors, first {missing[0]!r}; {remedy}")
        keys: dict[str, set[str]] = {}
        for full in [*_below(tensors, "optimizer/"), *values.get("optimizer", {})]:
            name, _, key = full.rpartition("/")
            keys.setdefault(name, set()).add(key)
        whole = set().union(*keys.values())
        partial = next((name for name, names in keys.items() if names != whole), None)
        if partial is not None:
            lacks = sorted(whole - keys[partial])[0]
            raise InputError(f"the optimiser state of {partial!r} in {checkpoint} lacks {lacks!r}; {remedy}")
        plain = self.config.optim.name == "sgd" and not self.config.optim.momentum
        if self.step > 0 and not keys and not plain:
            raise InputError(f"{checkpoint} has no optimiser state; {remedy}")

    @torch.no_grad()
    def _restore_average(self, tensors: dict[str, Tensor]) -> None:
        """The loaded weights are the mean; the weights being trained lie beside them."""
        raw = _below(tensors, "raw/")
        if self.config.train.ema is not None:
            self.average = WeightAverage(self.method, self.config.train.ema)
        parameters = dict(self.method.named_parameters())
        for name, tensor in raw.items():
            parameters[name].copy_(as_shared(tensor, parameters[name]))

    def _check_finite_weights(self, run: RunFolder) -> None:
        norm = whole(torch.nn.utils.get_total_norm([parameter.detach() for parameter in self.parameters]))
        if not torch.isfinite(norm):
            raise InputError(
                f"the weights of {run} are no longer finite at step {self.step}, no checkpoint is written; lower "
                "--optim.lr or set --optim.clip, and train again from the last one."
            )


@contextlib.contextmanager
def _damage_said(checkpoint: Checkpoint) -> Iterator[None]:
    """While entered, what a damaged file leads to is InputError."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{checkpoint.state} or {checkpoint.values.name} is damaged ({error!r}); resume from another checkpoint."
        ) from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def open_folder(run: RunFolder, config: RunConfig, state: TrainingState, main: bool) -> RunLog:
    """Make or tidy the run folder, and open its log; nothing is written but on the main process.

    Raises:
        InputError: it cannot be written, or what checkpoints need is not free on its disk.
    """
    if main:
        run.write_recipe(config.to_dict())
        check_space(
            run,
            state.method.state_dict(),
            copies=config.train.keep + 2 + (config.train.keep_states + 1) * (2 + (config.train.ema is not None)),
        )
        clean_leftovers(run.path, run.checkpoint_folder)
        drop_later(run, state.step)
        drop_rows_after(run.log, state.step)
    log = RunLog(run, config.train.trackers, config.to_dict(), main)
    started = "started" if state.step == 0 else "resumed"
    log.write(state.step, "event", {"event": started, "vergence": vergence.__version__, "torch": torch.__version__})
    state.restore_randomness()
    return log


def _check_compiler(device: torch.device) -> None:
    """InputError where the compiler is known to make wrong gradients: on a CPU PyTorch 2.13 fills what the gradient of
    a bilinear resize is summed in with zeros after the sum, so that corda's classes learned nothing from the source."""
    if device.type == "cpu":
        raise InputError(
            "train.compile is step, and on a CPU the compiler makes wrong gradients of some steps; set it to true or "
            "false, or train on a GPU."
        )
