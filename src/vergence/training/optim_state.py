"""What an optimiser keeps, by the names of parameters and groups, and putting it back."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vergence.errors import InputError
from vergence.training.sharding import as_shared

_MOMENTS = ("exp_avg", "exp_avg_sq")
_OURS = ("name", "params", "lr", "base_lr", "repeats")
"""What a parameter group has of :func:`~vergence.training.optim.build_optimizer`."""


def optimizer_state(optimizer: Optimizer, method: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain values of an optimiser's state.

    "parameter name/what" for what is kept of a parameter, "/group/what" of a parameter group, "//what" of neither. What
    optimisers keep in lists or dictionaries is taken apart: the tensors are "parameter name/what/0" and so on.
    """
    state_dict, names = optimizer.state_dict(), _names(optimizer, method)
    whole = {
        f"{names[index]}/{key}": value for index, state in state_dict["state"].items() for key, value in state.items()
    }
    for group in optimizer.param_groups:
        whole |= {f"/{group['name']}/{key}": value for key, value in _counted(group, optimizer)}
    whole |= {f"//{key}": value for key, value in state_dict.items() if key not in ("state", "param_groups")}
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for path, value in whole.items():
        plain = _taken_apart(value, path, tensors)
        if not isinstance(value, Tensor) or path.startswith("/"):
            values[path] = plain
    return tensors, values


@torch.no_grad()
def restore_optimizer(
    optimizer: Optimizer, method: nn.Module, tensors: dict[str, Tensor], values: dict[str, Any]
) -> None:
    """Put back what :func:`optimizer_state` gave, in the memory layout of each parameter.

    Raises:
        InputError: the state is of another optimiser or network.
    """
    whole: dict[str, Any] = {
        path: value for path, value in tensors.items() if not path.startswith("/") and path.count("/") == 1
    }
    for path, value in values.items():
        try:
            whole[path] = _put_together(value, tensors)
        except (KeyError, TypeError):
            raise _misfit(path) from None
    parameters = dict(method.named_parameters())
    _check(whole, parameters, optimizer)
    state_dict = optimizer.state_dict()
    index_of = {name: index for index, name in _names(optimizer, method).items()}
    groups = {group["name"]: group for group in state_dict["param_groups"]}
    for path, value in whole.items():
        name, key = _parts(path)
        if path.startswith("//"):
            state_dict[key] = _tuples(value)
        elif path.startswith("/"):
            if name in groups:
                groups[name][key] = value
        elif name in index_of:
            state_dict["state"].setdefault(index_of[name], {})[key] = value
    optimizer.load_state_dict(state_dict)
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.ndim and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(as_shared(value, parameter))


def _names(optimizer: Optimizer, method: nn.Module) -> dict[int, str]:
    """Names of parameters by their number in an optimiser's ``state_dict``."""
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    listed = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {number: names[id(parameter)] for number, parameter in enumerate(listed)}


def _counted(group: dict[str, Any], optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    """What an optimiser itself counts in a parameter group: none of its settings."""
    for key, value in group.items():
        counted = key not in optimizer.defaults or key == "lookahead_step"
        if counted and key not in _OURS and isinstance(value, Tensor | bool | int | float):
            yield key, value


def _check(whole: dict[str, Any], parameters: Mapping[str, Tensor], optimizer: Optimizer) -> None:
    """InputError where the state is none of this network, or one that Adam cannot go on with."""
    moments = {"step", *_MOMENTS} if isinstance(optimizer, torch.optim.Adam) else set()
    stored = {path: value for path, value in whole.items() if not path.startswith("/")}
    if moments and not stored:
        raise InputError("the stored optimiser state is empty; resume from another checkpoint.")
    keys: dict[str, set[str]] = {}
    for path, value in stored.items():
        name, key = _parts(path)
        keys.setdefault(name, set()).add(key)
        parameter, moment = parameters.get(name), key in (*_MOMENTS, "momentum_buffer")
        tensor = isinstance(value, Tensor) and value.ndim > 0 and moment  # others: rows and columns of a moment
        if parameter is None or (tensor and value.shape != parameter.shape):
            raise _misfit(path)
        if moment and isinstance(value, Tensor) and not value.is_floating_point():
            raise InputError(
                f"the stored optimiser state of {name!r} is of {value.dtype}; resume from another checkpoint."
            )
    for name, there in keys.items():
        if lacking := moments - there:
            raise InputError(
                f"the stored optimiser state of {name!r} lacks {min(lacking)}; resume from another checkpoint."
            )


def _misfit(path: str) -> InputError:
    name = _parts(path)[0]
    return InputError(f"the stored optimiser state of {name!r} does not fit this network; start a new run.")


def _parts(path: str) -> tuple[str, str]:
    """Name of the parameter or group, and what is kept."""
    name, _, key = path.lstrip("/").partition("/")
    return (name, key) if key else ("", name)


def _taken_apart(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The value with names in place of its tensors, which are added to ``tensors``."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, list | tuple):
        return [_taken_apart(item, f"{path}/{number}", tensors) for number, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _taken_apart(item, f"{path}/{key}", tensors) for key, item in value.items()}
    return value


def _put_together(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What :func:`_taken_apart` took apart; KeyError where a tensor is missing."""
    if isinstance(value, dict) and list(value) == ["tensor"]:
        return tensors[value["tensor"]]
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    if isinstance(value, dict):
        return {key: _put_together(item, tensors) for key, item in value.items()}
    return value


def _tuples(value: Any) -> Any:
    """Lists as tuples, as states of random generators are."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
