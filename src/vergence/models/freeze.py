"""Keeping parts of a network as they are."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TypeVar

from torch import nn

from vergence.models.blocks import BATCH_NORMS

Module = TypeVar("Module", bound=nn.Module)


def freeze(module: Module, training_mode: bool = False) -> Module:
    """No gradients for the module's parameters.

    ``training_mode`` leaves its modes alone: batch norm may use batch statistics and drift (what the official Three
    Ways program means by a frozen encoder, section 2.4). Otherwise the module is put in evaluation mode, once: a later
    ``train()`` of its parent undoes that, unlike :func:`freeze_batchnorm`.
    """
    module.requires_grad_(False)
    return module if training_mode else module.eval()


def freeze_batchnorm(module: Module) -> Module:
    """Fix statistics and affine parameters of all batch norm layers; they stay in evaluation mode under ``train()``.

    Survives ``copy.deepcopy`` and pickling. Conversion to synchronised batch norm makes new layers: convert first.
    """
    for layer in module.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.requires_grad_(False)
            layer.eval()
            layer.train = partial(_stay, layer)  # type: ignore[assignment, method-assign]
    return module


@contextlib.contextmanager
def statistics_kept(module: nn.Module, keep: bool = True) -> Iterator[None]:
    """While entered, batch norm in training mode uses the batch's statistics and leaves the running ones as they are.

    ``keep`` false changes nothing.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, BATCH_NORMS)] if keep else []
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _stay(layer: nn.Module, mode: bool = True) -> nn.Module:
    """Takes the place of a layer's ``train``."""
    return layer
