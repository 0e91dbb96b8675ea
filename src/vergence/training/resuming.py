"""Where a run goes on: at the newest checkpoint that is whole or at a named one, on what it was trained on."""

import logging
import re
import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vergence.data.atomic import write_text
from vergence.errors import InputError
from vergence.runs.checkpoint import checkpoints, latest_checkpoint, read_json, read_settings
from vergence.runs.config import RunConfig

_log = logging.getLogger("vergence")
_STEP = re.compile(r"step-(\d+)")


def resumed_from(path: Path) -> tuple[Path, Path | None]:
    """Run folder and checkpoint of RUN/checkpoints/step-N; None for the run folder alone.

    Raises:
        InputError: the run has no such checkpoint.
    """
    found = _STEP.fullmatch(path.name)
    if found is None or path.parent.name != "checkpoints":
        return path, None
    run = path.parent.parent
    folder = path.parent / f"step-{int(found[1]):08d}"
    if not folder.is_dir():
        there = ", ".join(one.name for one in checkpoints(run)) or "none"
        raise InputError(f"{path} does not exist; the checkpoints of {run} are: {there}.")
    return run, folder


def newest_whole(run: Path) -> Path | None:
    """The checkpoint to go on from, None where the run has none yet; those that are torn are said in the log.

    Raises:
        InputError: there are checkpoints, and none is whole.
    """
    named = latest_checkpoint(run)
    others = [folder for folder in reversed(checkpoints(run)) if folder != named]
    torn = ""
    for folder in ([named] if named is not None else []) + others:
        reason = what_is_torn(folder)
        if not reason:
            if torn:
                _log.warning("%s; going on from %s", torn, folder.name)
            return folder
        torn = torn or f"{folder} is damaged ({reason})"
    if torn:
        raise InputError(f"{torn}, and no other checkpoint is whole; restore it, or train anew with another --out.")
    return None


def what_is_torn(folder: Path) -> str:
    """What cannot be read of a checkpoint; "" where it is whole."""
    for name in ("model.safetensors", "state.safetensors"):
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        try:
            with safe_open(path, framework="pt"):  # checks names, shapes and length against the file's size
                pass
        except (OSError, SafetensorError, ValueError, RuntimeError) as error:
            return f"{name}: {' '.join(str(error).split())[:100]}"
    for name, keys in (("config.json", {"config", "step"}), ("state.json", {"optimizer", "random", "window"})):
        if not (folder / name).is_file():
            return f"{name} is missing"
        try:
            missing = keys - read_json(folder / name).keys()
        except InputError:
            return f"{name} is no JSON object"
        if missing:
            return f"{name} lacks {sorted(missing)[0]!r}"
    return ""


def check_unchanged(checkpoint: Path, config: RunConfig, digest: str) -> None:
    """InputError where a run would go on with other data, seed or batch size, unless ``train.allow_changes``.

    Checkpoints of before, which do not say their data, are taken at any.
    """
    if reason := what_is_torn(checkpoint):
        raise InputError(f"{checkpoint} is damaged ({reason}); resume from another checkpoint.")
    stored = read_settings(checkpoint)[0]
    before = read_json(checkpoint / "config.json").get("data", digest)
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


def drop_later(run: Path, step: int) -> None:
    """Remove checkpoints after ``step``, whose numbers are made again, and let LATEST name the last that is left."""
    later = [folder for folder in checkpoints(run) if int(folder.name.removeprefix("step-")) > step]
    for folder in later:
        shutil.rmtree(folder, ignore_errors=True)
    if later:
        names = ", ".join(folder.name for folder in later)
        _log.warning("going on from step %d of %s: later rows of the log and %s are dropped", step, run, names)
        if kept := checkpoints(run):
            write_text(run / "checkpoints" / "LATEST", kept[-1].name + "\n")
