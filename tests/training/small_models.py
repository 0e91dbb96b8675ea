"""Networks to optimise."""

import torch
from torch import nn

from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import set_learning_rates

STEPS = 100


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))


def groups(model: nn.Sequential) -> list[dict]:
    return [{"name": name, "params": list(part.parameters())} for name, part in zip("ab", model, strict=True)]


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, config: OptimConfig, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        set_learning_rates(optimizer, config, STEPS, step)
        model(torch.randn(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
