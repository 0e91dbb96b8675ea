"""Checkpoints: weights, settings and resume state as safetensors and JSON, whole or absent; nothing is unpickled."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import vergence
from vergence.data import structured
from vergence.errors import InputError, in_bytes
from vergence.methods import Method, method_named
from vergence.models.weights import check_finite
from vergence.runs.config import RunConfig, config_from_dict
from vergence.runs.folder import (
    BEST,
    LAST,
    Checkpoint,
    RunFolder,
    called,
    check_unaltered,
    find_checkpoint,
    find_weights,
)
from vergence.runs.intact import CHECKSUMS, checksum
from vergence.runs.model_card import model_card
from vergence.runs.run_lock import PARTIAL
from vergence.runs.said_once import said_once
from vergence.runs.scores import Score

_log = logging.getLogger("vergence")

FORMAT = 1
TRAINING_ONLY = "reference."
"""Weights of a method below this name are a frozen helper of training: they go with the resume state."""


@dataclass
class LoadedRun:
    """A trained method ready for use."""

    path: Path
    """The run folder."""
    config: RunConfig
    method: Method
    """In evaluation mode, weights loaded, on its device."""
    step: int
    checkpoint: str = LAST
    """What it was asked for as: "best", "last" or its step."""
    stored: Checkpoint | None = None
    """Where it was loaded from."""

    def files(self) -> Checkpoint:
        """The files that it was loaded from; of one that was not, those of the run's newest."""
        return self.stored or find_checkpoint(self.path)

    @property
    def step_said(self) -> str:
        """Its step, in words that say whether it is the best."""
        if self.checkpoint != BEST:
            return f"step {self.step}"
        return f"step {self.step} (best, {self.files().score})"

    @property
    def device(self) -> torch.device:
        """Where the method is."""
        return next(self.method.parameters()).device


def build_method(config: RunConfig, purpose: str = "training") -> Method:
    """The run's method. Purpose "loading" skips initial weights and what only training needs, "resuming" the former.

    Methods know weights files, no runs: where one is to start from a run, it is given that run's newest weights.

    Raises:
        InputError: what the method raises for impossible settings.
    """
    section, level = config.section, _log.level
    if purpose != "training":
        section = section.for_loading(keep_reference=purpose == "resuming")
        _log.setLevel(logging.WARNING)  # that networks start from random weights is not news here
    elif start := getattr(section, "initialize_from", None):
        section = replace(section, initialize_from=str(find_weights(start)))
    try:
        with said_once():  # depth and pose network may have the same encoder
            method = method_named(config.method)(section, config.frames.options, config.train.seed)
        method.whole = config.section  # what is loaded lacks what only training needs
        return method
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, UserWarning) as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(
            f"no network can be built from the settings of {config.method} ({reason}); correct its sizes."
        ) from error
    finally:
        _log.setLevel(level)


_DRAWS = {nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_}


class _Unfilled(TorchFunctionMode):
    """While entered, weights are not drawn at random: all of them are about to be read. Half of the time of building a
    network goes there."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensor = args[0] if args else (kwargs or {}).get("tensor")
        if func in _DRAWS and isinstance(tensor, nn.Parameter):  # other tensors may be stored nowhere
            return tensor
        return func(*args, **(kwargs or {}))


def load_run(path: Path | str, device: str = "cpu") -> LoadedRun:
    """Load a run folder, one of its checkpoint folders or ``RUN/checkpoints/best`` for use.

    Raises:
        InputError: no run, no checkpoint yet, files that are corrupt or do not belong together, no such device.
    """
    from vergence.runs.devices import resolve_device

    device = resolve_device(device)
    checkpoint = find_checkpoint(path)
    config, step = read_settings(checkpoint)
    with _Unfilled():
        method = build_method(config, "loading")
    load_weights(method, read_tensors(checkpoint.weights), checkpoint.weights)
    folder = RunFolder.of(checkpoint).path
    return LoadedRun(folder, config, method.to(device).eval(), step, called(path), checkpoint)


def read_settings(checkpoint: Checkpoint) -> tuple[RunConfig, int]:
    """Settings and step of a checkpoint."""
    path = checkpoint.settings
    stored = read_object(path)
    step = stored.get("step")
    if not isinstance(stored.get("config"), dict) or type(step) is not int or step < 0:
        raise InputError(f"{path} is no config of a checkpoint of Vergence; restore it or use another checkpoint.")
    if stored.get("format") != FORMAT:
        raise InputError(f"{path} has format {stored.get('format')!r}, this version reads {FORMAT}; update Vergence.")
    try:
        return config_from_dict(stored["config"], origin=str(path)), step
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; InputError where there is none."""
    remedy = "the checkpoint is damaged, use another one"
    value = structured.read_json(path, remedy=remedy, finite=False)  # random states are large numbers
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__}, expected an object; use another checkpoint.")
    return value


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a file of a checkpoint; InputError where it is missing, damaged or not what was written."""
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise InputError(f"{path} is no regular file; use another checkpoint.")
    try:
        tensors = dict(load_file(path))
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({error}); use another checkpoint.") from error
    check_unaltered(path)
    return tensors


@torch.no_grad()
def load_weights(method: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Copy weights into a method, strictly: InputError where a name or a shape differs."""
    current = method.state_dict()
    missing = [name for name in current if name not in state]
    odd = missing or [name for name in state if name not in current]
    if odd:
        verb, where = ("lacks", "") if missing else ("holds", " without a place")
        raise InputError(
            f"{origin} is of another network: it {verb} {len(odd)} tensors{where}, first {odd[0]!r}; "
            "use the checkpoint of this network."
        )
    for name, tensor in current.items():
        if tensor.shape != state[name].shape or tensor.is_floating_point() != state[name].is_floating_point():
            raise InputError(
                f"{origin} is of another network: {name!r} has shape {tuple(state[name].shape)}, expected "
                f"{tuple(tensor.shape)}; use the checkpoint of this network."
            )
        check_finite(name, state[name], origin)
        tensor.copy_(state[name])


def write_checkpoint(
    run: RunFolder,
    step: int,
    config: RunConfig,
    weights: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    scale: str = "unscaled",
    data: Mapping[str, str] | None = None,
    score: Score | None = None,
) -> Checkpoint:
    """Write a checkpoint: beside its place, flushed to disk, then renamed, named as the newest; then drop old ones.

    The newest ``train.keep`` stay, and the best by its score; what only resuming needs stays of the newest
    ``train.keep_states``.

    Args:
        weights: what evaluation and prediction use.
        tensors, values: what resuming needs besides.
        scale: what a unit of depth is, for the model card.
        data: digests of the frames that the run reads, by what they are for; "training" is the training split.
        score: of these weights on held-back frames, where they were evaluated.

    Raises:
        InputError: the folder cannot be written; earlier checkpoints stay.
    """
    final = run.checkpoint(step)
    partial = Checkpoint(run.checkpoint_folder / f"{PARTIAL}{final.name}")
    try:
        shutil.rmtree(partial.path, ignore_errors=True)
        partial.path.mkdir(parents=True)
        for file, content in ((partial.weights, weights), (partial.state, tensors)):
            save_file(_storable(content), file, {"format": "pt"})
            file.chmod(0o666 & ~_umask())  # safetensors writes for the owner only
        settings = {"format": FORMAT, "vergence": vergence.__version__, "step": step, "config": config.to_dict()}
        if data:
            pools = {name: digest for name, digest in data.items() if name != "training"}
            settings |= {"data": data["training"], "pools": pools}
        if score is not None:
            settings["score"] = score.to_dict()
        partial.values.write_text(json.dumps(dict(values)) + "\n", encoding="utf-8")
        settings[CHECKSUMS] = {file.name: checksum(file) for file in (partial.weights, partial.state, partial.values)}
        partial.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        partial.card.write_text(model_card(config, step, scale), encoding="utf-8")
        for path in [*partial.path.iterdir(), partial.path]:
            _flush(path)
        if final.path.exists():  # left by a run that was killed before it was named as the newest
            os.replace(final.path, outdated := run.checkpoint_folder / f"{PARTIAL}old-{final.name}")
            shutil.rmtree(outdated, ignore_errors=True)
        os.replace(partial.path, final.path)
        run.name_latest(final)
        _flush(run.checkpoint_folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial.path, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{final} cannot be written ({reason}); free some space, then vergence train --resume {run} goes on."
        ) from error
    _drop_old(run, final, config.train.keep, config.train.keep_states)
    return final


def _drop_old(run: RunFolder, newest: Checkpoint, keep: int, keep_states: int) -> None:
    """Remove all but the newest checkpoints and the best one, and the resume state of all but the newest."""
    older = [checkpoint for checkpoint in run.checkpoints() if checkpoint != newest]
    kept, best = [*older, newest][-keep:], run.by_score()[:1]
    for old in older:
        if old not in kept and old not in best:
            shutil.rmtree(old.path, ignore_errors=True)
        elif old not in kept[-keep_states:]:
            old.drop_state()


def check_space(run: RunFolder, tensors: Mapping[str, Tensor], copies: float) -> None:
    """InputError where ``copies`` times the tensors would not fit on the disk of ``run``."""
    needed = copies * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    free = shutil.disk_usage(run.path).free
    if needed > free:
        raise InputError(
            f"{run} needs about {in_bytes(needed)} for checkpoints and {in_bytes(free)} are free; "
            "free some space or give another --out."
        )


def _storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors that share no memory."""
    seen: set[int] = set()
    stored = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().to("cpu").contiguous()
        if copy.data_ptr() in seen:
            copy = copy.clone()
        seen.add(copy.data_ptr())
        stored[name] = copy
    return stored


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Make a file's or folder's content survive a power cut, where the system can."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if path.is_file() or os.name == "posix":
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
