"""Operations by name: adapters from the arrays of a parity case to our functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """What an adapter may ask beside inputs and parameters."""

    meta: dict[str, Any]
    keys: Any  # keys.json's entry of this case, or None
    index: int


Adapter = Callable[[dict[str, np.ndarray], dict[str, Any], Case], dict[str, Any]]
ADAPTERS: dict[str, Adapter] = {}


def operation(name: str) -> Callable[[Adapter], Adapter]:
    """Register an adapter: (inputs without ``in_``, params, case) -> outputs without ``out_``."""

    def register(adapter: Adapter) -> Adapter:
        ADAPTERS[name] = adapter
        return adapter

    return register
