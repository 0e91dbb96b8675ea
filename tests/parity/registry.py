"""Operations by name: adapters from the arrays of a parity case to our functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """What an adapter may ask beside inputs and parameters."""

    meta: dict[str, Any]
    keys: Any  # keys.json's entry of this case, or None
    index: int


class Params(dict[str, Any]):
    """Parameters of a case that know which of them were read: those that nobody read were ignored.

    Reading is by key; dictionaries inside are watched too. ``in`` and ``{**params}`` read nothing.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__({name: Params(one) if isinstance(one, Mapping) else one for name, one in dict.items(given)})
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def extended(self, **more: Any) -> "Params":
        """The same with more entries; what is read of it is read of these."""
        found = Params({name: dict.__getitem__(self, name) for name in self} | more)
        for name, value in dict.items(self):
            if isinstance(value, Params) and name not in more:
                dict.__setitem__(found, name, value)
        found.read = self.read
        return found

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def items(self) -> Any:
        return [(name, self[name]) for name in self]

    def values(self) -> Any:
        return [self[name] for name in self]

    def no_effect(self, *names: str) -> None:
        """No value of these changes an output; "outer.inner" for one that is inside of another."""
        for name in names:
            outer, _, inner = name.partition(".")
            own = super().get(outer)
            if inner and isinstance(own, Params):
                own.no_effect(inner)
            elif not inner:
                self.read.add(outer)

    def unread(self) -> list[str]:
        """Names of those that were given and not read, also inside of others."""
        found = [name for name in self if name not in self.read]
        inside = {name: super(Params, self).__getitem__(name) for name in self if name not in found}
        deeper = [f"{n}.{m}" for n, value in inside.items() if isinstance(value, Params) for m in value.unread()]
        return sorted(found + deeper)


Adapter = Callable[[dict[str, np.ndarray], Params, Case], dict[str, Any]]
ADAPTERS: dict[str, Adapter] = {}


def operation(name: str) -> Callable[[Adapter], Adapter]:
    """Register an adapter: (inputs without ``in_``, params, case) -> outputs without ``out_``."""

    def register(adapter: Adapter) -> Adapter:
        ADAPTERS[name] = adapter
        return adapter

    return register
