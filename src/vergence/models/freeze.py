"""Keeping parts of a network as they are."""

from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Module = TypeVar("Module", bound=nn.Module)


class _Still:
    """Mixed into a batch norm layer's class: ``train()`` leaves it in evaluation mode."""

    def train(self, mode: bool = True) -> "_Still":
        return super().train(False)  # type: ignore[misc, no-any-return]


def freeze(module: Module, training_mode: bool = False) -> Module:
    """No gradients for the module's parameters.

    ``training_mode`` leaves batch norm in train mode: batch statistics, drifting running averages (what the official
    Three Ways program means by a frozen encoder). Otherwise the module is put in evaluation mode once.
    """
    module.requires_grad_(False)
    return module if training_mode else module.eval()


def freeze_batchnorm(module: Module) -> Module:
    """Fix statistics and affine parameters of all batch norm layers; they stay so under ``train()``."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, _Still):
            layer.requires_grad_(False)
            layer.__class__ = type(f"Still{type(layer).__name__}", (_Still, type(layer)), {})
            layer.eval()
    return module
