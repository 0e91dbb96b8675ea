"""Run folders: checkpoints that are whole or absent, and runs read back from them.

    RUN/recipe.yaml                           the resolved configuration
    RUN/metrics.jsonl                         one line a logged step, evaluation or event
    RUN/checkpoints/LATEST                    name of the newest complete checkpoint
    RUN/checkpoints/step-00001000/            model.safetensors, config.json, README.md: the model, to keep or share
                                              state.safetensors, state.json: what resuming needs besides
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from vergence import __version__
from vergence.data.atomic import write_text
from vergence.engine.config import RunConfig, build_config
from vergence.engine.packing import pack, plain_state, same_shapes, unpack
from vergence.errors import InputError
from vergence.methods import METHODS, Method

NOT_MODEL = ("reference.",)  # frozen helpers of training: kept in the resume state only


@dataclass
class LoadedRun:
    """A stored run: its weights in evaluation mode and the configuration they belong to."""

    path: Path
    config: RunConfig
    method: Method
    step: int


def create_run(path: Path, config: RunConfig) -> Path:
    """Make a run folder and write its recipe; InputError where it exists with content or cannot be written."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        resume = f"go on with 'vergence train --resume {path}', or " if (path / "recipe.yaml").is_file() else ""
        raise InputError(f"{path} exists and is not empty; {resume}give another --out.")
    write_text(path / "recipe.yaml", yaml.safe_dump(config.to_dict(), sort_keys=False))
    return path


def read_run_config(path: Path) -> RunConfig:
    """The configuration of a run folder; InputError where it is none."""
    recipe = path / "recipe.yaml"
    if not recipe.is_file():
        raise InputError(f"{path} is not a run folder (no recipe.yaml); give the --out of a 'vergence train'.")
    try:
        raw = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        return build_config(str(raw.get("recipe", recipe)), raw)
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        raise InputError(f"{recipe} is not readable YAML; restore it from the checkpoint's config.json.") from error


def latest_checkpoint(path: Path) -> Path | None:
    """The newest complete checkpoint of a run folder, or None."""
    folder = path / "checkpoints"
    with contextlib.suppress(OSError):
        named = folder / (folder / "LATEST").read_text(encoding="utf-8").strip()
        if (named / "model.safetensors").is_file():
            return named
    complete = sorted(step for step in folder.glob("step-*") if (step / "state.json").is_file())
    return complete[-1] if complete else None


def save_checkpoint(
    path: Path, config: RunConfig, method: Method, weights: dict[str, Tensor] | None, state: dict[str, Any], keep: int
) -> Path:
    """Write a checkpoint of ``state["step"]`` and make it the latest; older ones beyond ``keep`` go.

    Args:
        weights: averaged weights to store as the model instead of the method's own.
        state: whatever resuming needs, of tensors and plain values.

    Raises:
        InputError: the folder cannot be written; the checkpoints there before are untouched.
    """
    folder = path / "checkpoints"
    name = f"step-{state['step']:08d}"
    own = plain_state(method)
    model = own if weights is None else {key: value.cpu().contiguous() for key, value in weights.items()}
    extra = {key: value for key, value in own.items() if weights is not None or key.startswith(NOT_MODEL)}
    tensors: dict[str, Tensor] = {}
    packed = pack({**state, "weights": extra}, tensors)
    temporary = folder / f".writing-{name}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_file({k: v for k, v in model.items() if not k.startswith(NOT_MODEL)}, temporary / "model.safetensors")
        save_file(tensors, temporary / "state.safetensors")
        (temporary / "state.json").write_text(json.dumps(packed), encoding="utf-8")
        (temporary / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")
        (temporary / "README.md").write_text(model_card(config, method, state["step"]), encoding="utf-8")
        for file in temporary.iterdir():
            _sync(file)
        shutil.rmtree(folder / name, ignore_errors=True)
        os.replace(temporary, folder / name)
        write_text(folder / "LATEST", name + "\n")
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}); the checkpoints already there are untouched: "
            "free some space and resume."
        ) from error
    for old in sorted(folder.glob("step-*"))[:-keep] if keep > 0 else []:
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    return folder / name


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def clean_leftovers(path: Path) -> None:
    """Remove what a killed write left behind."""
    for leftover in (path / "checkpoints").glob(".writing-*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def _reading(checkpoint: Path) -> Iterator[None]:
    """Anything that goes wrong inside means that the checkpoint is unusable."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # parser errors of any kind
        raise InputError(
            f"checkpoint {checkpoint} is corrupt ({type(error).__name__}: {str(error).splitlines()[0][:80]}); "
            "remove it to fall back to the one before, or train again."
        ) from error


def _checkpoint_of(path: Path) -> Path:
    if (path / "model.safetensors").is_file():
        return path
    checkpoint = latest_checkpoint(path)
    if checkpoint is None:
        if not path.is_dir():
            raise InputError(f"{path} does not exist; give the --out folder of a 'vergence train'.")
        raise InputError(f"{path} has no complete checkpoint yet; train for longer, or give another run.")
    return checkpoint


def load_run(path: Path | str, device: str | torch.device = "cpu") -> LoadedRun:
    """A stored run (its folder, or one checkpoint's) for evaluation and prediction. Nothing is unpickled.

    Raises:
        InputError: no run there, no checkpoint yet, corrupt files, or weights of another network.
    """
    path = Path(path)
    checkpoint = _checkpoint_of(path)
    with _reading(checkpoint):
        raw = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
        config = build_config(str(raw.get("recipe", checkpoint)), raw)
        weights = load_file(checkpoint / "model.safetensors")
    build = METHODS[config.method][1]
    method: Method = build(config.settings.for_loading(), config.frames.options, config.train.seed)
    load_weights(method, weights, checkpoint)
    return LoadedRun(path, config, method.to(device).eval(), int(checkpoint.name.rpartition("-")[2] or 0))


def load_weights(method: Method, weights: dict[str, Tensor], checkpoint: Path) -> None:
    """Strictly; InputError where the weights belong to another network."""
    different = same_shapes(method.state_dict(), weights)
    if different is not None:
        raise InputError(
            f"checkpoint {checkpoint} belongs to another network ({different} does not fit); "
            "use the recipe it was trained with."
        )
    method.load_state_dict(weights)


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and resume state of a run's latest checkpoint; InputError where there is none or it is corrupt."""
    checkpoint = _checkpoint_of(path)
    with _reading(checkpoint):
        tensors = load_file(checkpoint / "state.safetensors")
        state = unpack(json.loads((checkpoint / "state.json").read_text(encoding="utf-8")), tensors)
        model = load_file(checkpoint / "model.safetensors")
    return {**model, **state.pop("weights")}, {**state, "averaged": model}


def model_card(config: RunConfig, method: Method, step: int) -> str:
    """What someone who gets the folder needs to know."""
    options = config.frames.options
    scale = f"metric, {method.metres_per_unit:g} m a unit" if method.scale == "metric" else "unscaled (one free factor)"
    sources = ", ".join(str(offset) for offset in options.offsets)
    return (
        f"# {config.recipe}, step {step}\n\n"
        f"Method `{config.method}`, trained by vergence {__version__} on {options.width}x{options.height} frames "
        f"with sources {sources}.\n\n"
        f"- Depth scale: {scale}\n- Data: see `frames.source` in config.json; its licence binds these weights too\n"
        "- Use: `vergence predict RUN INPUT --out DIR`\n- Files: model.safetensors (weights), config.json (settings), "
        "state.* (only for resuming)\n"
    )
