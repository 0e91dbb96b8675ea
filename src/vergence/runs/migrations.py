"""Recipes of earlier versions in today's words: what was stored or written once opens for ever.

To rename, move or remove a setting: add a function old -> new to ``_STEPS``, the new name to :func:`renamed`, and a
recipe as stored before it to the tests. A recipe that says no version is read as of version 1, so a step leaves alone
what is in today's words already.
"""

import re
from collections.abc import Callable
from typing import Any

from vergence.errors import InputError
from vergence.runs.overrides import flattened

Values = dict[str, Any]

SHARED = ("network", "pose")
"""Sections that all methods have at the top of a recipe, each as far as it has such settings."""
_NOT_METHODS = ("frames", "optim", "train", "evaluate", "flywheel", *SHARED)
_SHARED_BEFORE = re.compile(r"(\w+)\.((?:network|pose)(?:\.[\w.]+)?)")


def migrated(values: Values, origin: str) -> Values:
    """Plain values of a recipe of any version as those of today's; ``values`` stay as they are.

    Raises:
        InputError: of a newer version than this program's, or a setting that is given in old words and in new ones.
    """
    values = dict(values)
    version = values.pop("version", 1)
    if type(version) is not int or version < 1:
        raise InputError(f"version in {origin} is {version!r}; expected a whole number from 1 to {VERSION}.")
    if version > VERSION:
        raise InputError(
            f"{origin} is a recipe of version {version}, and this program knows those up to {VERSION}; update Vergence."
        )
    for step in _STEPS[version - 1 :]:
        values = step(values, origin)
    return values


def renamed(key: str) -> str:
    """Today's full name of a setting that had another once, "" for every other key."""
    match = _SHARED_BEFORE.fullmatch(key)
    return match[2] if match and match[1] not in _NOT_METHODS else ""


def _shared_sections(values: Values, origin: str) -> Values:
    """1 to 2: ``network`` and ``pose`` stood in the section of the method; a window was a list of height and width."""
    migrated = dict(values)
    for name in [name for name in values if name not in _NOT_METHODS and isinstance(values[name], dict)]:
        section = dict(values[name])
        for part in [part for part in SHARED if isinstance(section.get(part), dict)]:
            migrated[part] = _united(migrated.get(part, {}), section.pop(part), f"{name}.{part}", part, origin)
        migrated[name] = section
        if not section and values[name]:
            del migrated[name]
    window = migrated["evaluate"].get("window") if isinstance(migrated.get("evaluate"), dict) else None
    if isinstance(window, list) and len(window) == 2:
        migrated["evaluate"] = migrated["evaluate"] | {"window": f"{window[1]}x{window[0]}"}
    if isinstance(migrated.get("flywheel"), dict):
        migrated["flywheel"] = _flywheel(migrated["flywheel"])
    return migrated


def _united(now: Any, before: Values, old: str, new: str, origin: str) -> Any:
    """Settings under their new name and under their old one, where no setting has both."""
    if not isinstance(now, dict):
        raise InputError(f"{new} in {origin} is {now!r}; it is a section with keys of its own.")
    if twice := sorted(str(key) for key in now.keys() & before.keys()):
        raise InputError(f"{origin} has {new}.{twice[0]} and, as it was called once, {old}.{twice[0]}; leave one out.")
    return now | before


def _flywheel(section: Values) -> Values:
    """The settings that a flywheel hands to its trainings, by their new names."""
    migrated = dict(section)
    for name, value in section.items():
        if name == "overrides" and isinstance(value, dict):
            migrated[name] = {renamed(key) or key: setting for key, setting in flattened(value)}
        elif isinstance(value, dict) and isinstance(value.get("overrides"), dict):
            migrated[name] = _flywheel(value)
    return migrated


def _gate(values: Values, origin: str) -> Values:
    """2 to 3: flywheels kept every round. One that was stored (it names every setting) goes on as it began."""
    section = values.get("flywheel")
    if not isinstance(section, dict) or "gate" in section or not section.keys() >= _STORED_FLYWHEEL:
        return values
    return values | {"flywheel": section | {"gate": {"by": "none"}, "later": {"rate": 1.0}}}


def _doubt(values: Values, origin: str) -> Values:
    """3 to 4: one doubt of the gate for everything; what was judged by it stands."""
    section = values.get("flywheel")
    if not isinstance(section, dict) or not section.keys() >= _STORED_FLYWHEEL:
        return values
    gate = section.get("gate")
    if not isinstance(gate, dict) or "doubt" not in gate or "doubt_with_labels" in gate:
        return values
    return values | {"flywheel": section | {"gate": gate | {"doubt_with_labels": gate["doubt"]}}}


_STORED_FLYWHEEL = {"data", "rounds", "exchange", "warm_start", "seed", "limit", "label_files", "labels"}
_STEPS: tuple[Callable[[Values, str], Values], ...] = (_shared_sections, _gate, _doubt)
VERSION = len(_STEPS) + 1
"""The version of recipes as they are stored now."""
