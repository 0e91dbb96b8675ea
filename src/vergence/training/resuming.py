"""Where a run goes on: only on what it was trained on, unless that is asked for."""

import logging
import shutil
from collections.abc import Mapping

from vergence.data.file_contents import FILES, comparable
from vergence.errors import InputError
from vergence.runs.checkpoint import read_object, read_settings
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint, RunFolder, what_is_torn

_log = logging.getLogger("vergence")


def check_unchanged(checkpoint: Checkpoint, config: RunConfig, digests: Mapping[str, str]) -> None:
    """InputError where a run would go on with other data, seed or batch size, unless ``train.allow_changes``, or from
    a checkpoint that is not whole; of one with ``train.fresh_optimizer`` weights and settings must be.

    ``digests`` are those of the frames that are read, by what they are for ("training" is the training split). What a
    checkpoint does not say, as those of before, or says in another form, is taken at any.
    """
    fresh = config.train.fresh_optimizer
    if not fresh and not checkpoint.has_state and not what_is_torn(checkpoint, resuming=False):
        raise InputError(state_is_gone(checkpoint))
    if reason := what_is_torn(checkpoint, resuming=not fresh):
        raise InputError(f"{checkpoint} is damaged ({reason}); resume from another checkpoint.")
    stored = read_settings(checkpoint)[0]
    record = read_object(checkpoint.settings)
    pools = record.get("pools")
    before = {**(pools if isinstance(pools, dict) else {}), "training": record.get("data", digests["training"])}
    before = {name: digest for name, digest in before.items() if comparable(digest, digests.get(name, digest))}
    differing = {name for name, now in digests.items() if before.get(name, now) != now}
    data = {
        _called(name): (before.get(name, now), now)
        for name, now in digests.items()
        if not name.endswith(f" {FILES}") or not differing & set(_rows_of(name))  # other rows have other files
    }
    pairs = data | {
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
    if fresh:
        _log.warning(
            "going on from the weights of %s: the optimiser's moments%s, random draws of layers and sums of the log "
            "begin anew, so the numbers are not those of a run that was never stopped",
            checkpoint.name,
            "" if stored.train.ema is None else ", the weights beside their running mean",
        )


def _called(name: str) -> str:
    if name.endswith(f" {FILES}"):
        return f"data (files of the {_rows_of(name)[0]} frames, of which some were replaced under their names)"
    return f"data (digest of the {name} frames)"


def _rows_of(name: str) -> tuple[str, str]:
    """Names of the digests of the rows whose files a digest is of."""
    pool = name.removesuffix(f" {FILES}")
    return pool, f"{pool} neighbour"


def state_is_gone(checkpoint: Checkpoint) -> str:
    """That training cannot go on from a checkpoint which keeps its weights alone, and what to do."""
    run, config = RunFolder.of(checkpoint), read_settings(checkpoint)[0]
    starts = hasattr(config.section, "initialize_from")
    anew = f", with --{config.method}.initialize_from {checkpoint} for these weights" if starts else ""
    return (
        f"{checkpoint} cannot be resumed: its optimiser state is gone, as only the newest checkpoints keep theirs "
        f"(train.keep_states); go on from the newest with vergence train --resume {run}, add --train.fresh_optimizer "
        f"true to begin that state anew, or start a new run{anew}."
    )


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
