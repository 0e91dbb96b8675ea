"""Optimisers, learning rates as a pure function of the step, and the running mean of weights."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vergence.data.table import nearest
from vergence.errors import InputError
from vergence.runs.config_sections import OptimConfig


def build_optimizer(config: OptimConfig, groups: list[dict[str, Any]]) -> Optimizer:
    """Optimiser over a method's parameter groups, whose base rates are kept as ``base_lr``.

    Raises:
        InputError: ``group_lr`` names a group that the method lacks, or the method repeats updates and this is not sgd.
    """
    names = [group["name"] for group in groups]
    for name in config.group_lr:
        if name not in names:
            raise InputError(
                f"optim.group_lr names {name!r}, no parameter group of this method{nearest(name, names)}; "
                f"the groups are {', '.join(names)}."
            )
    rates = {name: config.group_lr.get(name) or config.lr for name in names}
    listed = [{**group, "lr": rates[group["name"]], "base_lr": rates[group["name"]]} for group in groups]
    if any("repeats" in group for group in listed):
        if config.name != "sgd":
            raise InputError(f"optim.name is {config.name}, and this method repeats updates, which sgd does; use sgd.")
        return RepeatedSGD(listed, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    if config.name == "sgd":
        return torch.optim.SGD(listed, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(listed, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay)


class RepeatedSGD(torch.optim.SGD):
    """SGD as released CorDA has it, where a parameter may stand in its group several times (section 1.4).

    A group's ``repeats`` says how often, for each parameter. All entries have the step's one gradient; decay is of the
    parameter as the entry before left it. At first each entry begins a momentum buffer of its own, and the last one's
    is kept; later they share it, so that momentum is applied as often.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        whole = [group["params"] for group in self.param_groups]
        fresh = {value for listed in whole for value in listed if "momentum_buffer" not in self.state.get(value, {})}
        loss = super().step(closure)
        try:
            for entry in range(1, max(max(group.get("repeats", [1])) for group in self.param_groups)):
                for group, listed in zip(self.param_groups, whole, strict=True):
                    pairs = zip(listed, group.get("repeats", [1] * len(listed)), strict=True)
                    group["params"] = [value for value, count in pairs if count > entry]
                    for value in fresh.intersection(group["params"]):
                        self.state[value].pop("momentum_buffer", None)
                super().step()
        finally:
            for group, listed in zip(self.param_groups, whole, strict=True):
                group["params"] = listed
        return loss


def lr_factor(config: OptimConfig, steps: int, step: int) -> float:
    """Factor on the base rate for the update number ``step`` (from 0) of ``steps``."""
    factor = 1.0
    if config.schedule == "poly":
        factor = max(1e-6, max(0.0, 1 - step / steps) ** config.power)  # never quite 0, also past the last step
    elif config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * step / steps))
    elif config.schedule == "step":
        factor = config.gamma ** (step // config.step_size)
    elif config.schedule == "multi_step":
        factor = config.gamma ** sum(step >= milestone for milestone in config.milestones)
    warmup = min(config.warmup, steps // 10)  # a short run must not end before it has begun to learn
    if step < warmup:
        factor *= (step + 1) / warmup
    return float(factor)


def set_learning_rates(optimizer: Optimizer, config: OptimConfig, steps: int, step: int) -> None:
    """Rates of all groups for update number ``step``."""
    factor = lr_factor(config, steps, step)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


class WeightAverage:
    """Exponential running mean of a method's parameters; buffers are taken as they are.

    ``mean = decay * mean + (1 - decay) * weights`` after each step, where the decay starts at 0.1 and grows as
    (1 + n) / (10 + n) until it reaches ``decay``, so that the random start is forgotten.
    """

    def __init__(self, method: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = {name: value for name, value in method.named_parameters() if value.requires_grad}
        self.mean = {name: value.detach().clone() for name, value in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after update number ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.mean.values()), [p.detach() for p in self.parameters.values()], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the method's weights and the mean; a second call undoes it."""
        for name, parameter in self.parameters.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.mean[name])
            self.mean[name].copy_(kept)


def optimizer_state(optimizer: Optimizer, method: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain values of an optimiser's state, as "parameter name/what"."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for name, parameter in method.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            (tensors if isinstance(value, Tensor) else values)[f"{name}/{key}"] = value
    return tensors, values


@torch.no_grad()
def restore_optimizer(
    optimizer: Optimizer, method: nn.Module, tensors: dict[str, Tensor], values: dict[str, Any]
) -> None:
    """Put back what :func:`optimizer_state` gave, in the memory layout of each parameter.

    Raises:
        InputError: the state is of another optimiser or network.
    """
    parameters = dict(method.named_parameters())
    kept = {"step", "exp_avg", "exp_avg_sq"} if "betas" in optimizer.defaults else set()
    if kept and not tensors:
        raise InputError("the stored optimiser state is empty; resume from another checkpoint.")
    for full, value in [*tensors.items(), *values.items()]:
        name, _, key = full.rpartition("/")
        parameter = parameters.get(name)
        fits = (
            not isinstance(value, Tensor)
            or value.ndim == 0
            or (parameter is not None and value.shape == parameter.shape)
        )
        if parameter is None or not fits:
            raise InputError(f"the stored optimiser state of {name!r} does not fit this network; start a new run.")
        if isinstance(value, Tensor) and value.ndim:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        if isinstance(value, Tensor) and not value.is_floating_point():
            raise InputError(
                f"the stored optimiser state of {name!r} is of {value.dtype}; resume from another checkpoint."
            )
        optimizer.state[parameter][key] = value
    for name, parameter in parameters.items():
        lacking = kept - set(optimizer.state.get(parameter, ()))
        if parameter in optimizer.state and lacking:
            raise InputError(
                f"the stored optimiser state of {name!r} lacks {min(lacking)}; resume from another checkpoint."
            )
