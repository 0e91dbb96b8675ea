"""Make torchvision importable beside a CPU-only torch.

The registry's torchvision is built for CUDA. Beside a CPU-only torch its compiled operators do not load, and
``import torchvision`` (and so timm) fails with "operator torchvision::nms does not exist". Declaring the schemas of
the two operators that torchvision registers fake kernels for is enough; we use neither of them.
"""

import importlib.machinery
import sys
from pathlib import Path

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_declared: list[torch.library.Library] = []  # a Library withdraws its schemas when it is garbage-collected


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load, tried without importing torchvision itself."""
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
    if "torchvision" in sys.modules or _declared or _operators_load():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _declared.append(library)
