"""Before torch is imported: make torchvision importable beside a CPU-only torch, let threads sleep, start sooner.

The registry's torchvision is built for CUDA. Beside a CPU-only torch its compiled operators do not load, and
``import torchvision`` (and so timm) fails with "operator torchvision::nms does not exist". Declaring the schemas of
the two operators that torchvision registers fake kernels for is enough; we use neither of them.

Importing torch's compiler costs over a second of processor time, and libraries do it to declare that functions are
not to be compiled, or may be: torchvision's ``roi_align`` and ``tv_tensors``, timm's ``naflexvit``, torch's optimisers.
Where nothing is compiled that says nothing, so here it waits until somebody compiles. Nobody offers a switch for it, so
names of these libraries are replaced, private ones among them; a version without them only starts later.

All of it is done when the module in question is first imported, so that importing vergence does not import torch; a
module that is there already stays as it is.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_COMPILER = "torch._dynamo"
_declared: list[torch.library.Library] = []  # a Library withdraws its schemas when it is garbage-collected


class _Repaired(importlib.abc.Loader):
    """Runs a module as its own loader does, within its repair."""

    def __init__(self, loader: importlib.abc.Loader, repair: Callable[[ModuleType], AbstractContextManager[None]]):
        self._loader, self._repair = loader, repair

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader  # what others ask it for is its own
        with self._repair(module):
            self._loader.exec_module(module)


class _Repairs(importlib.abc.MetaPathFinder):
    """Finds the modules of :data:`_REPAIRS` as the finders behind it do, and has them run within their repair."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _REPAIRS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Repaired(spec.loader, _REPAIRS[fullname])
        return spec


@contextmanager
def _importable(module: ModuleType) -> Iterator[None]:
    make_torchvision_importable()
    yield


@contextmanager
def _without_compiler(module: ModuleType) -> Iterator[None]:
    """While ``torchvision.ops.roi_align`` is imported, the one function that it imports from the compiler is a
    stand-in, which asks the compiler when it is called."""
    name = f"{_COMPILER}.utils"
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


def _is_compile_supported(device: str) -> Any:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device)


@contextmanager
def _without_boto3(module: ModuleType) -> Iterator[None]:
    """Accelerate imports Amazon's client where it is installed, for a questionnaire of its own command line, which
    also comes with the import of Accelerate. Meanwhile the client is not to be found; whoever wants it imports it."""
    absent: dict[str, Any] = sys.modules
    if "boto3" in sys.modules:
        yield
        return
    absent["boto3"] = None
    try:
        yield
    finally:
        del sys.modules["boto3"]


@contextmanager
def _lazy_for_torch(module: ModuleType) -> Iterator[None]:
    """``torch._compile``: what it wraps (methods of optimisers, checkpointing) imports the compiler at its first call
    to be left alone by it. Where the compiler is not there, nothing is being compiled and nothing is to be done."""
    yield
    wrap = getattr(module, "_disable_dynamo", None)
    if wrap is None:
        return

    def left_alone(fn: Callable[..., Any] | None = None, recursive: bool = True) -> Any:
        if fn is None:
            return functools.partial(left_alone, recursive=recursive)
        wrapped = wrap(fn, recursive)

        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return (wrapped if _COMPILER in sys.modules else fn)(*args, **kwargs)

        return inner

    module._disable_dynamo = left_alone  # type: ignore[attr-defined]


@contextmanager
def _lazy_for_libraries(module: ModuleType) -> Iterator[None]:
    """``torch.compiler``: ``disable`` imports the compiler to decorate a function with it, as timm and torchvision do
    when they are imported. For functions torch's own decorator means the same, lazily."""
    yield
    import torch

    at_once = getattr(module, "disable", None)
    if at_once is None:
        return

    def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
        if isinstance(fn, FunctionType) and reason is None and hasattr(torch, "_disable_dynamo"):
            return torch._disable_dynamo(fn, recursive)
        return at_once(fn, recursive, reason=reason)

    module.disable = disable  # type: ignore[attr-defined]


@contextmanager
def _lazy_steps(module: ModuleType) -> Iterator[None]:
    """``torch.optim.optimizer``: a step imports the compiler to end what is being compiled before it and after it."""
    yield
    with_breaks = getattr(module, "_use_grad_for_differentiable", None)
    if with_breaks is None:
        return

    def with_or_without(step: Callable[..., Any]) -> Any:
        broken = with_breaks(step)

        @functools.wraps(step)
        def inner(self: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            import torch

            if _COMPILER in sys.modules:
                return broken(self, *args, **kwargs)
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                return step(self, *args, **kwargs)

        return inner

    module._use_grad_for_differentiable = with_or_without  # type: ignore[attr-defined]


_REPAIRS: dict[str, Callable[[ModuleType], AbstractContextManager[None]]] = {
    "torchvision": _importable,
    "torchvision.ops.roi_align": _without_compiler,
    "torch._compile": _lazy_for_torch,
    "torch.optim.optimizer": _lazy_steps,
    "torch.compiler": _lazy_for_libraries,
    "accelerate.commands.config.sagemaker": _without_boto3,
}


def repair_on_import() -> None:
    """Have torchvision, timm and torch repaired as they are imported; idempotent."""
    if not any(isinstance(finder, _Repairs) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Repairs())


SPINS = "1000"
"""Turns of waiting before a thread of GNU's OpenMP sleeps, about 0.01 ms (its own default is 300,000)."""


def sleep_at_barriers() -> None:
    """Have PyTorch's threads sleep soon at barriers, unless the user decided (``OMP_WAIT_POLICY``) or torch is there.

    Threads that spin for long take the processors from each other where other work runs beside a training; threads
    that sleep at once are slow to wake between the many short operations of a step. So they spin for a moment
    (``GOMP_SPINCOUNT``, of GNU's OpenMP, which PyTorch brings on Linux; other OpenMPs know the policy alone).
    """
    decided = any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))
    if "torch" not in sys.modules and not decided:
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": SPINS}


def keep_to_itself() -> None:
    """Have the libraries that run exported files report nothing to their makers.

    ONNX Runtime, from 1.29 on Linux and macOS, sends which models it runs, and leaves a file of its session among the
    temporary ones; ``ORT_DISABLE_TELEMETRY`` is read once, when it is imported, and stays as the user has set it.
    OpenVINO sends that it was imported, by a package of its own, and does without where there is none.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)  # an import of it fails


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
    if _declared or operators_load():
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
    _declared.append(library)
