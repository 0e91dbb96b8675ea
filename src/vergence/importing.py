"""Imports of a command's process: what they make stays for good, so the collector of garbage leaves it alone.

The collector goes through all that was made each time some hundreds of objects more exist. What imports make is never
garbage, and a command imports some 300,000 objects: looking through them again and again takes about an eighth of the
processor time until a network is first asked. Only the command line does this; who imports Vergence as a library keeps
the collector as it was.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Uncollected(Loader):
    """Runs a module, and what it imports, as its own loader does, while nothing is collected; then sets all that
    exists aside from what will be."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader  # what others ask it for is its own
        gc.disable()
        try:
            self._loader.exec_module(module)
        finally:
            gc.freeze()
            gc.enable()


class _Finder(MetaPathFinder):
    """Finds what the finders behind it find, where an import begins; what that one imports goes its usual way."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not gc.isenabled():
            return None
        finders = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(fullname, path, target) for finder in finders)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Uncollected(spec.loader)
        return spec


@contextmanager
def uncollected_imports() -> Iterator[None]:
    """While entered, nothing is collected during imports, and what they made is not looked through afterwards."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
