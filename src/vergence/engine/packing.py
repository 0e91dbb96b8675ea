"""Nested Python values with tensors as JSON and safetensors: resume states that are never pickled."""

from typing import Any

import torch
from torch import Tensor


def pack(value: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """A JSON-able twin of ``value``; its tensors go to ``tensors`` under unique names.

    Dictionaries keep keys of any simple type, tuples stay tuples. TypeError for anything else.
    """
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"dict": [[key, pack(item, tensors, f"{path}/{key}")] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [pack(item, tensors, f"{path}/{index}") for index, item in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} at {path} cannot be stored")


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of :func:`pack`; KeyError where a tensor is missing."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def same_shapes(own: dict[str, Tensor], other: dict[str, Tensor]) -> str | None:
    """The first name at which two state dicts differ in presence or shape, or None."""
    for name in [*own, *other]:
        if name not in own or name not in other or own[name].shape != other[name].shape:
            return name
    return None


def plain_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """A state dict as contiguous CPU tensors that share no memory (what safetensors can store)."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
