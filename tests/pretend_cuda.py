"""A CUDA device to test with where there is none: tensors that say they lie on "cuda:0" and compute on the CPU.

A :class:`PretendTensor` wraps a CPU tensor and shows every operation it takes part in; :class:`PretendCuda`, while
entered, turns copies to and from "cuda", and tensors made there, into wrapped ones. What a real device would refuse or
wait for is a :class:`Fault` by kind:

- "mix": an operation on tensors of both devices, or a NumPy array of one on the device: an error there;
- "read": the host needs values (``item``, ``tolist``, ``bool``, ``nonzero``, a boolean index, ``cpu``), so it waits for
  all that was launched before;
- "copy": a copy to the device that waits: blocking, or of much memory that is not pinned.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
STAGED = 64 * 1024
"""Bytes of ordinary memory that a non-blocking copy takes along with its launch; more of it waits."""
READS = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive",
    "equal", "is_nonzero", "bincount", "_linalg_check_errors", "nanmedian.default", "repeat_interleave.Tensor",
}  # fmt: skip
"""Operations whose result, or its shape, the host must know; by name, or name and overload."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
COPIES = {"copy_", "_to_copy", "_copy_from"}
HOST = {"item", "tolist", "cpu", "__bool__", "__int__", "__float__", "__index__", "__complex__"}


class Fault(NamedTuple):
    """What a real device would refuse, or wait for."""

    kind: str
    """mix, read or copy."""
    what: str
    where: str


class Watch:
    """What happened on the pretended device since the last :meth:`clear`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.operations: Counter[str] = Counter()
        """Operations below autograd, each about one launch, those that only look at memory in another way apart."""
        self.views = 0

    def clear(self) -> None:
        self.faults.clear()
        self.operations.clear()
        self.views = 0

    def fault(self, kind: str, what: str) -> None:
        self.faults.append(Fault(kind, what, _caller()))

    def of(self, *kinds: str) -> list[str]:
        """Faults of these kinds, each once, as lines."""
        found = Counter(fault for fault in self.faults if fault.kind in kinds)
        return [f"{fault.kind}: {fault.what} at {fault.where} ({count} times)" for fault, count in found.items()]


_watch = Watch()


def _caller() -> str:
    """The innermost place in the package, or in this test; libraries where there is neither."""
    frames = [frame for frame in reversed(traceback.extract_stack()) if frame.filename != __file__]
    for part in ("/vergence/", "/tests/"):
        for frame in frames:
            if part in frame.filename and "site-packages" not in frame.filename:
                return f"{frame.filename.rpartition(part)[2]}:{frame.lineno} {frame.name}"
    return f"{frames[0].filename}:{frames[0].lineno}"


class PretendTensor(torch.Tensor):
    """A tensor on the pretended device; ``held`` is where its values are."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "PretendTensor":
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=held.device, requires_grad=held.requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **_: Any) -> str:
        return f"PretendTensor({self.held})"

    @property
    def device(self) -> torch.device:
        return CUDA

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def is_cpu(self) -> bool:
        return False

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        _judge(func, args, kwargs)
        out = func(*tree_map(_held, args), **tree_map(_held, kwargs))
        if func.overloadpacket.__name__ == "_local_scalar_dense":
            return out
        return return_and_correct_aliasing(func, args, kwargs, tree_map(_wrapped, out))


def _held(x: Any) -> Any:
    return x.held if isinstance(x, PretendTensor) else x


def _wrapped(x: Any) -> Any:
    return PretendTensor(x) if isinstance(x, Tensor) and not isinstance(x, PretendTensor) else x


def _judge(func: Any, args: Any, kwargs: Any) -> None:
    """Count an operation, and say what is wrong with it."""
    name = func.overloadpacket.__name__
    full = f"{name}.{func._overloadname}"
    if func.is_view:
        _watch.views += 1
    else:
        _watch.operations[name] += 1
    if name in READS or full in READS:
        _watch.fault("read", name)
    on_host = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and not isinstance(x, PretendTensor)]
    if name in INDEXING:
        indices = [index for index in args[1] if isinstance(index, Tensor)]
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            _watch.fault("read", f"{name} by a mask")
        elsewhere = [index for index in indices if not isinstance(index, PretendTensor)]
        if elsewhere:
            _watch.fault("copy", f"{name} by indices of the host")
        on_host = [x for x in on_host if not any(x is index for index in elsewhere)]
    if name in COPIES:
        for x in on_host:
            _judge_copy(x, bool(kwargs.get("non_blocking", len(args) > 2 and args[2])), name)
    elif any(x.ndim > 0 for x in on_host):  # a number may come from either device
        _watch.fault("mix", f"{name} with {[tuple(x.shape) for x in on_host if x.ndim > 0]} of the CPU")


def _judge_copy(x: Tensor, non_blocking: bool, name: str) -> None:
    if x.numel() == 0:
        return
    if not non_blocking:
        _watch.fault("copy", f"{name} of {tuple(x.shape)}, blocking")
    elif not getattr(x, "pretend_pinned", False) and x.numel() * x.element_size() > STAGED:
        _watch.fault("copy", f"{name} of {tuple(x.shape)} from memory that is not pinned")


def pinned(x: Tensor) -> Tensor:
    """Say that a CPU tensor lies in pinned memory."""
    x.pretend_pinned = True  # type: ignore[attr-defined]
    return x


class PretendGenerator(torch.Generator):
    """A generator on the pretended device."""

    def __new__(cls, device: torch.device | str = "cpu") -> torch.Generator:
        return super().__new__(cls) if _is_cuda(device) else _Generator(device)


_Generator = torch.Generator


class PretendCuda(TorchFunctionMode):
    """While entered, "cuda" is a device; ``watch`` says what happened on it."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = _watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if args and isinstance(args[0], Tensor):
            x = args[0]
            if name in ("to", "cuda"):
                return _moved(x, *_target(name, *args[1:], **kwargs))
            if name == "pin_memory":
                return pinned(x.clone())
            if isinstance(x, PretendTensor):
                if name in HOST:
                    self.watch.fault("read", name)
                    return getattr(x.held.detach(), name)(*args[1:], **kwargs)
                if name in ("numpy", "__array__"):
                    self.watch.fault("mix", f"{name} of a tensor on the device")
                    return getattr(x.held.detach(), name)(*args[1:], **kwargs)
                if name == "new_tensor":
                    self.watch.fault("copy", name)
                    return PretendTensor(x.held.new_tensor(*args[1:], **kwargs))
        if name != "autocast" and _is_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
            generator = kwargs.get("generator")
            if generator is not None and not isinstance(generator, PretendGenerator):
                self.watch.fault("mix", f"torch.{name} on the device by a generator of the CPU")
            if name in ("tensor", "as_tensor"):
                self.watch.fault("copy", f"torch.{name} on the device")
            return tree_map(_wrapped, func(*args, **kwargs))
        return func(*args, **kwargs)


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _target(name: str, *args: Any, **kwargs: Any) -> tuple[torch.device | None, dict[str, Any], bool]:
    """Device, other changes, and whether the host goes on, of a call of ``Tensor.to`` or ``Tensor.cuda``."""
    if name == "cuda":
        return CUDA, {}, bool(kwargs.get("non_blocking", False))
    changes = {"copy": True} if kwargs.pop("copy", False) else {}
    like = args[0] if args and isinstance(args[0], Tensor) else kwargs.pop("other", None)
    if like is not None:
        args = (like.device, like.dtype, *args[1:])
    device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
    if dtype is not None:
        changes["dtype"] = dtype
    if layout is not None:
        changes["memory_format"] = layout
    return device, changes, non_blocking


def _moved(x: Tensor, device: torch.device | None, changes: dict[str, Any], non_blocking: bool) -> Tensor:
    here = isinstance(x, PretendTensor)
    there = here if device is None else device.type == "cuda"
    if here and not there:
        if any(frame.filename.endswith("clip_grad.py") for frame in traceback.extract_stack(limit=8)):
            there = True  # it asks C++ for the device of gradients, which tells the truth
        else:
            _watch.fault("read", f"to(cpu) of {tuple(x.shape)}")
            return x.held.detach().clone().to(**changes) if changes else x.held.detach().clone()
    if there and not here:
        _judge_copy(x, non_blocking, "to")
        return PretendTensor(x.detach().clone().to(**changes) if changes else x.detach().clone())
    return x.to(**changes) if changes else x


@contextmanager
def pretend_cuda() -> Iterator[Watch]:
    """Enter :class:`PretendCuda`, also for the parameters of modules that are moved."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _watch.clear()
    try:
        torch.Generator = PretendGenerator  # type: ignore[misc]
        with PretendCuda() as mode:
            yield mode.watch
    finally:
        torch.Generator = _Generator  # type: ignore[misc]
        torch.__future__.set_overwrite_module_params_on_conversion(before)


def on_device(module: nn.Module) -> nn.Module:
    """A module on the pretended device."""
    with pretend_cuda():
        return module.to(CUDA)
