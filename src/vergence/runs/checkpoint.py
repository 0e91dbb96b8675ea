"""Checkpoints: weights, settings and resume state as safetensors and JSON, whole or absent; nothing is unpickled."""

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import vergence
from vergence.data import structured
from vergence.data.atomic import write_text
from vergence.errors import InputError
from vergence.methods import METHODS, Method
from vergence.models.weights import check_finite
from vergence.runs.config import RunConfig, config_from_dict
from vergence.runs.model_card import model_card
from vergence.runs.run_lock import PARTIAL

_log = logging.getLogger("vergence")

FORMAT = 1
TRAINING_ONLY = "reference."
"""Weights of a method below this name are a frozen helper of training: they go with the resume state."""
_STEP = re.compile(r"step-(\d{8,})")


@dataclass
class LoadedRun:
    """A trained method ready for use."""

    path: Path
    """The run folder."""
    config: RunConfig
    method: Method
    """In evaluation mode, weights loaded, on its device."""
    step: int


def build_method(config: RunConfig, purpose: str = "training") -> Method:
    """The run's method. Purpose "loading" skips initial weights and what only training needs, "resuming" the former.

    Raises:
        InputError: what the method raises for impossible settings.
    """
    section, level = config.section, _log.level
    if purpose != "training":
        section = section.for_loading(keep_reference=purpose == "resuming")
        _log.setLevel(logging.WARNING)  # that networks start from random weights is not news here
    try:
        return METHODS[config.method][1](section, config.frames.options, config.train.seed)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, UserWarning) as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(
            f"no network can be built from the settings of {config.method} ({reason}); correct its sizes."
        ) from error
    finally:
        _log.setLevel(level)


def load_run(path: Path | str, device: str = "cpu") -> LoadedRun:
    """Load a run folder, or one of its checkpoint folders, for use.

    Raises:
        InputError: no run, no checkpoint yet, files that are corrupt or do not belong together, no such device.
    """
    from vergence.runs.devices import resolve_device

    device = resolve_device(device)
    folder = find_checkpoint(path)
    config, step = read_settings(folder)
    method = build_method(config, "loading")
    load_weights(method, read_tensors(folder / "model.safetensors"), folder / "model.safetensors")
    run = folder.parent.parent if folder.parent.name == "checkpoints" else folder
    return LoadedRun(run, config, method.to(device).eval(), step)


def find_checkpoint(path: Path | str) -> Path:
    """The newest checkpoint folder of a run (or ``path`` itself, if it is one); InputError where there is none."""
    path = Path(path)
    if (path / "model.safetensors").is_file():
        return path
    if not (path / "checkpoints").is_dir() and not (path / "recipe.yaml").is_file():
        what = "is no run folder" if path.exists() else "does not exist"
        raise InputError(f"{path} {what}; give the folder that vergence train wrote with --out.")
    found = latest_checkpoint(path)
    if found is None:
        raise InputError(f"{path} has no checkpoint yet; train it further with vergence train --resume {path}.")
    return found


def latest_checkpoint(run: Path) -> Path | None:
    """The checkpoint that LATEST names, else the newest whole one."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        name = (run / "checkpoints" / "LATEST").read_text(encoding="utf-8").strip()
        if _STEP.fullmatch(name) and (run / "checkpoints" / name / "model.safetensors").is_file():
            return run / "checkpoints" / name
    found = checkpoints(run)
    return found[-1] if found else None


def checkpoints(run: Path) -> list[Path]:
    """Whole checkpoints, oldest first: a folder gets its name when everything in it is on disk."""
    folder = run / "checkpoints"
    names = [entry.name for entry in folder.iterdir() if _STEP.fullmatch(entry.name)] if folder.is_dir() else []
    return [folder / name for name in sorted(names, key=lambda name: int(name[5:]))]


def read_settings(folder: Path) -> tuple[RunConfig, int]:
    """Settings and step of a checkpoint folder."""
    path = folder / "config.json"
    stored = read_json(path)
    step = stored.get("step")
    if not isinstance(stored.get("config"), dict) or type(step) is not int or step < 0:
        raise InputError(f"{path} is no config of a checkpoint of Vergence; restore it or use another checkpoint.")
    if stored.get("format") != FORMAT:
        raise InputError(f"{path} has format {stored.get('format')!r}, this version reads {FORMAT}; update Vergence.")
    try:
        return config_from_dict(stored["config"], origin=str(path)), step
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; InputError where there is none."""
    remedy = "the checkpoint is damaged, use another one"
    value = structured.read_json(path, remedy=remedy, finite=False)  # random states are large numbers
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__}, expected an object; use another checkpoint.")
    return value


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; InputError where it is missing or damaged."""
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise InputError(f"{path} is no regular file; use another checkpoint.")
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as safetensors ({error}); use another checkpoint.") from error


@torch.no_grad()
def load_weights(method: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Copy weights into a method, strictly: InputError where a name or a shape differs."""
    own = method.state_dict()
    missing = [name for name in own if name not in state]
    odd = missing or [name for name in state if name not in own]
    if odd:
        verb, place = ("lacks", "") if missing else ("holds", " without a place")
        raise InputError(
            f"{origin} is of another network: it {verb} {len(odd)} tensors{place}, first {odd[0]!r}; "
            "use the checkpoint of this network."
        )
    for name, tensor in own.items():
        if tensor.shape != state[name].shape or tensor.is_floating_point() != state[name].is_floating_point():
            raise InputError(
                f"{origin} is of another network: {name!r} has shape {tuple(state[name].shape)}, expected "
                f"{tuple(tensor.shape)}; use the checkpoint of this network."
            )
        check_finite(name, state[name], origin)
        tensor.copy_(state[name])


def write_checkpoint(
    run: Path,
    step: int,
    config: RunConfig,
    weights: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    keep: int = 2,
    scale: str = "unscaled",
    data: str = "",
) -> Path:
    """Write ``checkpoints/step-N``: beside its place, flushed to disk, then renamed; then LATEST; then drop old ones.

    Args:
        weights: what evaluation and prediction use.
        tensors, values: what resuming needs besides.
        scale: what a unit of depth is, for the model card.
        data: digest of the frames that were trained on.

    Raises:
        InputError: the folder cannot be written; earlier checkpoints stay.
    """
    parent = run / "checkpoints"
    final = parent / f"step-{step:08d}"
    partial = parent / f"{PARTIAL}{final.name}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in (("model", weights), ("state", tensors)):
            save_file(_storable(content), partial / f"{name}.safetensors", {"format": "pt"})
            (partial / f"{name}.safetensors").chmod(0o666 & ~_umask())  # safetensors writes for the owner only
        settings = {"format": FORMAT, "vergence": vergence.__version__, "step": step, "config": config.to_dict()}
        settings |= {"data": data} if data else {}
        (partial / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        (partial / "state.json").write_text(json.dumps(dict(values)) + "\n", encoding="utf-8")
        (partial / "README.md").write_text(model_card(config, step, scale), encoding="utf-8")
        for path in [*partial.iterdir(), partial]:
            _flush(path)
        if final.exists():  # left by a run that was killed before LATEST named it
            os.replace(final, outdated := parent / f"{PARTIAL}old-{final.name}")
            shutil.rmtree(outdated, ignore_errors=True)
        os.replace(partial, final)
        write_text(parent / "LATEST", final.name + "\n")
        _flush(parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{final} cannot be written ({reason}); free some space, then vergence train --resume {run} goes on."
        ) from error
    for old in [folder for folder in checkpoints(run) if folder != final][: -(keep - 1) or None]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def check_space(run: Path, tensors: Mapping[str, Tensor], copies: float) -> None:
    """InputError where ``copies`` times the tensors would not fit on the disk of ``run``."""
    needed = copies * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    free = shutil.disk_usage(run).free
    if needed > free:
        raise InputError(
            f"{run} needs about {needed / 1e9:.1f} GB for checkpoints and {free / 1e9:.1f} GB are free; "
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
