"""A run folder before anything is written: whether it may be, and what its depth is measured in."""

import os
from pathlib import Path

from vergence.errors import InputError
from vergence.methods import Method
from vergence.runs.run_lock import is_leftover


def describe_scale(method: Method) -> str:
    """What a unit of a method's depth is, in words."""
    return f"metric, {method.metres_per_unit:g} m a unit" if method.scale == "metric" else "unscaled (one free factor)"


def check_folder(run: Path, resume: bool) -> None:
    """InputError unless a new run can be made there, or the run that is there resumed."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run} is a file; give a folder that does not exist yet.")
    if resume and not (run / "recipe.yaml").is_file():
        raise InputError(f"{run} is no run that can be resumed; start one with vergence train RECIPE --out {run}.")
    if not resume and run.exists() and not all(map(is_leftover, run.iterdir())):
        raise InputError(f"{run} exists and is not empty; go on with --resume {run}, or give another --out.")
    existing = next(place for place in (run, *run.absolute().parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{run} cannot be written; give a folder that can be as --out.")
