"""Where a run goes on: at the newest checkpoint that is whole or at a named one, on what it was trained on."""

import logging
import shutil

from safetensors import SafetensorError, safe_open

from vergence.errors import InputError
from vergence.runs.checkpoint import read_json, read_settings
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint, RunFolder

_log = logging.getLogger("vergence")


def newest_whole(run: RunFolder) -> Checkpoint | None:
    """The checkpoint to go on from, None where the run has none yet; those that are torn are said in the log.

    Raises:
        InputError: there are checkpoints, and none is whole.
    """
    named = run.latest()
    others = [checkpoint for checkpoint in reversed(run.checkpoints()) if checkpoint != named]
    torn = ""
    for checkpoint in ([named] if named is not None else []) + others:
        reason = what_is_torn(checkpoint)
        if not reason:
            if torn:
                _log.warning("%s; going on from %s", torn, checkpoint.name)
            return checkpoint
        torn = torn or f"{checkpoint} is damaged ({reason})"
    if torn:
        raise InputError(f"{torn}, and no other checkpoint is whole; restore it, or train anew with another --out.")
    return None


def what_is_torn(checkpoint: Checkpoint) -> str:
    """What cannot be read of a checkpoint; "" where it is whole."""
    for path in (checkpoint.weights, checkpoint.state):
        if not path.is_file():
            return f"{path.name} is missing"
        try:
            with safe_open(path, framework="pt"):  # checks names, shapes and length against the file's size
                pass
        except (OSError, SafetensorError, ValueError, RuntimeError) as error:
            return f"{path.name}: {' '.join(str(error).split())[:100]}"
    needed = {checkpoint.settings: {"config", "step"}, checkpoint.values: {"optimizer", "random", "window"}}
    for path, keys in needed.items():
        if not path.is_file():
            return f"{path.name} is missing"
        try:
            missing = keys - read_json(path).keys()
        except InputError:
            return f"{path.name} is no JSON object"
        if missing:
            return f"{path.name} lacks {sorted(missing)[0]!r}"
    return ""


def check_unchanged(checkpoint: Checkpoint, config: RunConfig, digest: str) -> None:
    """InputError where a run would go on with other data, seed or batch size, unless ``train.allow_changes``.

    Checkpoints of before, which do not say their data, are taken at any.
    """
    if reason := what_is_torn(checkpoint):
        raise InputError(f"{checkpoint} is damaged ({reason}); resume from another checkpoint.")
    stored = read_settings(checkpoint)[0]
    before = read_json(checkpoint.settings).get("data", digest)
    pairs = {
        "data (digest of the training frames)": (before, digest),
        "train.seed": (stored.train.seed, config.train.seed),
        "frames.batch_size": (stored.frames.batch_size, config.frames.batch_size),
    }
    changed = "; ".join(f"{name} {old}, now {new}" for name, (old, new) in pairs.items() if old != new)
    if changed and not config.train.allow_changes:
        raise InputError(
            f"{checkpoint} was trained on other input: {changed}; give what it began with, or add "
            "--train.allow_changes true to go on with the change."
        )
    if changed:
        _log.warning("%s goes on with a change: %s", checkpoint, changed)


def drop_later(run: RunFolder, step: int) -> None:
    """Remove checkpoints after ``step``, whose numbers are made again; the last that is left is the newest then."""
    later = [checkpoint for checkpoint in run.checkpoints() if checkpoint.step > step]
    for checkpoint in later:
        shutil.rmtree(checkpoint.path, ignore_errors=True)
    if later:
        names = ", ".join(checkpoint.name for checkpoint in later)
        _log.warning("going on from step %d of %s: later rows of the log and %s are dropped", step, run, names)
        if kept := run.checkpoints():
            run.name_latest(kept[-1])
