"""Weights shared out over the processes of a run (PyTorch's FSDP2): each keeps a part of every one, of its gradient
and of what the optimiser keeps of it, and a block of an encoder is put together while it computes.

The method itself is FSDP's root, so that all but these blocks is whole during a step, whichever of its parts a method
calls.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vergence.models.encoders import Encoder

_LISTS = (nn.ModuleList, nn.Sequential)
_LEAST = 1 << 14
"""Weights of a block that is worth messages of its own."""


def shard(method: nn.Module, device: torch.device) -> None:
    """Share out a method's weights, which must be the same in all processes; parameters become ``DTensor``."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for encoder in [part for part in method.modules() if isinstance(part, Encoder)]:
        for block in encoder_blocks(encoder):
            fully_shard(block, mesh=mesh)
    fully_shard(method, mesh=mesh)


def encoder_blocks(encoder: nn.Module) -> list[nn.Module]:
    """What an encoder repeats: members of its lists of modules that are no lists; of one that itself is made of such
    members for the most part (a stage), these."""
    blocks: list[nn.Module] = []
    for member in _members(encoder):
        inside = encoder_blocks(member)
        if 2 * sum(map(_size, inside)) > _size(member):
            blocks += inside
        elif _size(member) >= _LEAST:
            blocks.append(member)
    return blocks


def _members(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(module, _LISTS) and not isinstance(child, _LISTS):
            yield child
        else:
            yield from _members(child)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def whole(tensor: Tensor) -> Tensor:
    """A tensor, put together where it is shared out: then all processes must call this."""
    put_together = getattr(tensor, "full_tensor", None)
    return tensor if put_together is None else put_together()


def all_whole(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """The same of many, one after the other; none where they are not to be kept."""
    gathered = {}
    for name, tensor in tensors.items():
        one = whole(tensor)
        if keep:
            gathered[name] = one
    return gathered


def as_shared(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in all processes, shared out as a parameter is; unchanged where that is whole."""
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    shared: Any = like
    return distribute_tensor(tensor.to(like.device), shared.device_mesh, shared.placements, src_data_rank=None)


@contextlib.contextmanager
def put_together(method: nn.Module) -> Iterator[None]:
    """While entered, each process has all weights of a method that was trained, and passes need no other process.

    Nothing must change weights meanwhile. Without effect on a method that is not shared out.
    """
    parts: list[Any] = [part for part in method.modules() if hasattr(part, "unshard")]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(part is not method, recurse=False)
