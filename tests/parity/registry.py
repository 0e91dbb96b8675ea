"""Operations by name: adapters from the arrays of a parity case to our functions."""

from collections.abc import Callable, Iterator, Mapping
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

    Reading is by key; dictionaries inside are watched too. ``in`` alone reads nothing.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(
            {name: Params(value) if isinstance(value, Mapping) else value for name, value in given.items()}
        )
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:  # own, so that {**params} asks for every value
        return super().__iter__()

    def __or__(self, other: Any) -> Any:
        return {**self, **other}

    def __ror__(self, other: Any) -> Any:
        return {**other, **self}

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
        """These say how a case was made, or repeat what its arrays show: no value of them changes an output."""
        self.read.update(names)

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
