"""Processes of one training that were started on their own: they must have been given the same."""

from collections.abc import Mapping
from typing import Any

import vergence
from vergence.errors import InputError
from vergence.runs.config import RunConfig
from vergence.runs.overrides import flattened
from vergence.runs.processes import Processes
from vergence.training.pools import FILES

_OWN = frozenset({
    *("frames.source", "frames.source_domain", "frames.val", "frames.labelled.file", "frames.workers", "frames.cache"),
    *("train.device", "train.trackers"),
})  # fmt: skip
"""Settings that each may have of its own: where it finds the data, and what changes no number."""


def check_settings_agree(config: RunConfig, processes: Processes) -> None:
    """InputError in all processes where they have another version or settings that change what is computed."""
    settings = {key: value for key, value in flattened(config.to_dict()) if key not in _OWN}
    _check(processes, {"the version of Vergence": vergence.__version__, **settings})


def check_data_agree(digests: Mapping[str, str], processes: Processes) -> None:
    """The same of the rows that they read; files of equal rows are not compared, for each may have copies."""
    rows = {f"the {name} frames": digest for name, digest in digests.items() if not name.endswith(f" {FILES}")}
    _check(processes, rows)


def _check(processes: Processes, own: Mapping[str, Any]) -> None:
    first, *others = processes.gather(dict(own))
    for number, other in enumerate(others, start=1):
        for key in {**first, **other}:
            if first.get(key) != other.get(key):
                raise InputError(
                    f"processes 0 and {number} of this training differ in {key} ({first.get(key)} and "
                    f"{other.get(key)}); start all of them with one command, version and manifest."
                )
