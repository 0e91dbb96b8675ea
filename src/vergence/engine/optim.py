"""Optimisers and learning-rate schedules, stepped once an optimiser step."""

import math
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vergence.engine.config import OptimConfig
from vergence.errors import InputError


def build_optimizer(config: OptimConfig, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimiser over a method's parameter groups; InputError for learning rates of groups that do not exist."""
    names = [group["name"] for group in groups]
    unknown = sorted(set(config.group_lr) - set(names))
    if unknown:
        raise InputError(f"optim.group_lr: no parameter group is called {unknown[0]!r}; this run has {', '.join(names)}.")
    for group in groups:
        group["lr"] = config.group_lr.get(group["name"], config.lr)
    if config.name == "sgd":
        return torch.optim.SGD(groups, config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, config.lr, weight_decay=config.weight_decay)


def learning_rate_factor(config: OptimConfig, step: int, steps: int) -> float:
    """What multiplies the learning rate at the update number ``step`` (from 0) of ``steps``."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup > 0 else 1.0
    if config.schedule == "poly":
        return warm * max(1e-6, (1 - step / steps) ** config.power)
    if config.schedule == "cosine":
        return warm * max(1e-3, 0.5 * (1 + math.cos(math.pi * min(step / steps, 1))))
    if config.schedule == "multi_step":
        return warm * config.gamma ** sum(step >= milestone for milestone in config.milestones)
    if config.schedule == "step":
        if not config.milestones:
            raise InputError("optim.schedule is 'step' without a period; give it as optim.milestones [PERIOD].")
        return float(warm * config.gamma ** (step // config.milestones[0]))
    return warm


def build_schedule(config: OptimConfig, optimizer: Optimizer, steps: int) -> LambdaLR:
    """The schedule as a PyTorch scheduler over optimiser steps."""
    return LambdaLR(optimizer, lambda step: learning_rate_factor(config, step, steps))
