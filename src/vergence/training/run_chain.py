"""Chains of runs: stages that look at what is there and go on from it, so that a call can be repeated at any time."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vergence.errors import InputError
from vergence.runs.checkpoint import read_settings
from vergence.runs.config import RunConfig, load_config
from vergence.runs.folder import RunFolder, newest_whole
from vergence.runs.overrides import flattened
from vergence.runs.scores import BestSoFar
from vergence.settings.networks import DepthNetworkConfig
from vergence.training.train import train


def trained(
    run: Path, config: Callable[[], RunConfig], checked: bool = False, alike: Callable[[Any], Any] = lambda value: value
) -> bool:
    """Train, or go on where an earlier call stopped; a finished run is left as it is.

    Args:
        checked: the settings of a run that is there are known to be right, and it goes on with these.
        alike: see :func:`check_equal`.

    Returns:
        Whether there was anything to do.

    Raises:
        InputError: a run with other settings is there, unless that was ``checked``.
    """
    folder = RunFolder(run)
    if not folder.has_recipe:
        train(config(), run)
        return True
    stored = load_config(folder.recipe)
    if not checked:
        asked = config()
        check_equal(run, stored, asked, alike)
        stored = asked
    if is_finished(run, stored):
        return False
    train(stored, run, resume=True)
    return True


def is_finished(run: Path, config: RunConfig) -> bool:
    """Whether a run of these settings has a checkpoint of its last step, or stopped early."""
    folder = RunFolder(run)
    checkpoint = newest_whole(folder, resuming=False)  # what is finished needs no state of its optimiser
    if checkpoint is None:
        return False
    step = read_settings(checkpoint)[1]
    stopped = config.train.stop_after and BestSoFar(folder.rows_until(step)).exhausted(config.train.stop_after)
    return step >= config.train.steps or bool(stopped)


def check_equal(
    run: Path, stored: RunConfig, asked: RunConfig, alike: Callable[[Any], Any] = lambda value: value
) -> None:
    """InputError where a run that is there has other settings than those asked for.

    Values for which ``alike`` gives the same count as equal.
    """
    before, now = (dict(flattened(config.to_dict())) for config in (stored, asked))
    settled = {key for key in now if now[key] == "auto" and isinstance(before.get(key), int)}  # from what fitted then
    for key in (key for key in now if key not in settled and alike(now[key]) != alike(before.get(key))):
        raise InputError(
            f"{run} was trained with {key} {before.get(key)}, not {now[key]}; give another --out, or remove it."
        )


def network_of(config: RunConfig) -> dict[str, Any]:
    """Settings of another method's network that make it the twin of this run's, so that weights fit."""
    network = config.section.network
    names = [field.name for field in dataclasses.fields(DepthNetworkConfig)]
    return {f"network.{name}": _plain(getattr(network, name)) for name in names}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
