"""Malformed inputs by kind of file; each module has a function ``cases``."""

import importlib
import pkgutil
from collections import Counter

from tests.fuzz.harness import Case
from tests.fuzz.settled import settled


def all_cases() -> list[Case]:
    """Every input, in a fixed order; names are distinct."""
    found: list[Case] = []
    for module in pkgutil.iter_modules(__path__):
        found += importlib.import_module(f"{__name__}.{module.name}").cases()
    doubled = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    assert not doubled, f"inputs of one name: {doubled[:3]}"
    return [settled(case) for case in found]
