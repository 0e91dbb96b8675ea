"""Before torch is imported: make torchvision importable beside a CPU-only torch, and let threads sleep.

The registry's torchvision is built for CUDA. Beside a CPU-only torch its compiled operators do not load, and
``import torchvision`` (and so timm) fails with "operator torchvision::nms does not exist". Declaring the schemas of
the two operators that torchvision registers fake kernels for is enough; we use neither of them. It is done when
torchvision is first looked for, so that importing vergence does not import torch.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[torch.library.Library] = []  # a Library withdraws its schemas when it is garbage-collected


class _RepairFirst(importlib.abc.MetaPathFinder):
    """Finds nothing; repairs before another finder finds torchvision."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            make_torchvision_importable()
        return None


def repair_on_import() -> None:
    """Have :func:`make_torchvision_importable` called when torchvision is first imported; idempotent."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, _RepairFirst) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RepairFirst())


def wait_without_spinning() -> None:
    """Have PyTorch's threads sleep at barriers (``OMP_WAIT_POLICY``), unless the user decided or torch is there.

    Threads that spin while they wait take the processors from each other where other work runs beside a training.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def operators_load() -> bool:
    """Whether torchvision's compiled operators load, tried without importing torchvision itself."""
    import torch

    spec = importlib.machinery.PathFinder.find_spec("torchvision", sys.path)
    if spec is None or spec.origin is None:
        return True  # nothing to repair
    for library in Path(spec.origin).parent.glob("_C*"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
    return hasattr(torch.ops.torchvision, "nms")


def make_torchvision_importable() -> None:
    """Declare ``torchvision::nms`` and ``qnms`` where torchvision's own library cannot; idempotent."""
    if "torchvision" in sys.modules or _declared or operators_load():
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _declared.append(library)
