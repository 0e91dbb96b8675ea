"""Optimisers, learning rates as a pure function of the step, and the running mean of weights."""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from vergence.errors import InputError, nearest
from vergence.runs.config_sections import OptimConfig

if TYPE_CHECKING:
    from timm.optim import OptimInfo

_OF_TORCH: dict[str, type[Optimizer]] = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD,
}  # fmt: skip
"""What timm's factory makes of these names. Importing the factory imports torch's compiler for one of its others."""


def build_optimizer(config: OptimConfig, groups: list[dict[str, Any]]) -> Optimizer:
    """Optimiser over a method's parameter groups, whose base rates are kept as ``base_lr``.

    ``optim.name`` is any of timm's factory (``timm.optim.list_optimizers()``), also below "lookahead_"; "sgd" is
    without Nesterov's momentum, which "nesterov" has.

    Raises:
        InputError: ``group_lr`` names a group that the method lacks, no such optimiser, one that cannot be built here
            or has no fused form where that is asked for, or the method repeats updates and this is not sgd.
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
    one_pass = _fused(config, listed)
    if any("repeats" in group for group in listed):
        if config.name != "sgd":
            raise InputError(f"optim.name is {config.name}, and this method repeats updates, which sgd does; use sgd.")
        return RepeatedSGD(listed, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    settings: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    betas: dict[str, Any] = {"momentum": config.momentum} if config.name == "sgd" else {"betas": config.betas}
    if config.name == "sgd" or (config.name in _OF_TORCH and len(config.betas) == 2):
        return _OF_TORCH[config.name](listed, **settings | betas | {"fused": one_pass or None})
    from timm.optim import create_optimizer_v2

    settings["momentum"] = config.momentum
    info = _known(config.name)
    if info.has_betas and info.num_betas == len(config.betas):  # others have three; theirs are those of timm
        settings["betas"] = config.betas
    if config.name.rpartition("_")[2] == "sgd":  # "nesterov" is the same class
        settings["nesterov"] = False
    try:
        optimizer: Optimizer = create_optimizer_v2(listed, config.name, **settings)
    except (ImportError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"optim.name {config.name} cannot be used here ({reason}); use another one.") from error
    return optimizer


def _fused(config: OptimConfig, groups: list[dict[str, Any]]) -> bool:
    """Whether PyTorch's own form that updates all weights in one pass is taken; InputError where it is asked for and
    there is none."""
    repeats = any("repeats" in group for group in groups)
    if config.fused == "always" and (config.name not in _OF_TORCH or repeats):
        of = "a method that repeats updates" if repeats else config.name
        raise InputError(f"optim.fused is always, and {of} has no fused form; use auto, or adam, adamw or plain sgd.")
    on_gpu = all(value.device.type == "cuda" for group in groups for value in group["params"])
    return config.fused == "always" or (config.fused == "auto" and on_gpu)


def _known(name: str) -> "OptimInfo":
    """timm's description of an optimiser; InputError where there is none, or it needs second derivatives."""
    from timm.optim import get_optimizer_info, list_optimizers

    prefix, _, plain = name.rpartition("_")
    known = [str(one) for one in list_optimizers()]
    if prefix not in ("", "lookahead") or plain not in known:
        raise InputError(
            f"optim.name {name!r} is unknown{nearest(name, known)}; use adam, adamw, sgd, or another of timm's "
            f"optimisers: {', '.join(known)}."
        )
    info: OptimInfo = get_optimizer_info(plain)
    if info.second_order:
        raise InputError(f"optim.name {name} needs second derivatives, which training does not make; use another one.")
    return info


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
    (1 + n) / (10 + n) until it reaches ``decay``, so that the random start is forgotten. Not timm's or torch's averaged
    models, which are copies of the whole module: here only what is trained is kept twice and in checkpoints, and takes
    the method's place for a while.
    """

    def __init__(self, method: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = {name: value for name, value in method.named_parameters() if value.requires_grad}
        self.mean = {name: value.detach().clone() for name, value in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after update number ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        average = get_ema_multi_avg_fn(decay)
        average(list(self.mean.values()), [parameter.detach() for parameter in self.parameters.values()], step)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the method's weights and the mean; a second call undoes it."""
        for name, parameter in self.parameters.items():
            trained = parameter.detach().clone()
            parameter.copy_(self.mean[name])
            self.mean[name].copy_(trained)
