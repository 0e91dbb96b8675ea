"""What one step of adaptation does with two domains: masks, mixed frames, losses by head and decoder (CorDA)."""

from typing import NamedTuple

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.losses.depth import berhu_valid
from vergence.losses.difficulty import INVALID
from vergence.losses.segmentation import cross_entropy
from vergence.losses.tensors import full_precision
from vergence.methods.corda_config import CordaConsistencyConfig
from vergence.methods.supervised import to_size
from vergence.mixing.draws import draw_signs
from vergence.mixing.masks import classmix_mask, cutmix_mask
from vergence.mixing.mix import mix

Outputs = dict[str, Tensor]
"""What a CorDA network gives, by name."""
CLASS_HEADS = {"": "logits", "_initial": "initial_logits"}
DEPTH_HEADS = {"": ("source_depth", "depth"), "_initial": ("initial_source_depth", "initial_depth")}
"""Suffixes of losses to the network's outputs; depth of the source's and of the target's decoder."""


class MixedDomains(NamedTuple):
    """Target frames under pieces of source frames, and what the student should say of them."""

    images: Tensor  # (B, 3, H, W)
    mask: Tensor  # (B, 1, H, W), 1: source
    label: Tensor  # (B, H, W)
    weight: Tensor  # (B, H, W): 1 of source pixels, the confident share of target pixels
    share: Tensor  # scalar
    inverse_depth: Tensor | None  # (B, 1, H, W), exactly 1 where unknown


def domain_mask(
    settings: CordaConsistencyConfig, source: Batch, target: Batch, generator: torch.Generator | None = None
) -> Tensor:
    """1 (B, 1, H, W) where the source covers the target."""
    label = source["label"]
    batch, height, width = label.shape
    if settings.mix == "classmix":
        return classmix_mask(label, ignore=None if settings.mix_void else 255, round_up=True, generator=generator)
    if settings.mix == "cutmix":
        return cutmix_mask(batch, height, width, generator=generator, device=label.device)
    if settings.mix == "none":
        return torch.zeros(batch, 1, height, width, device=label.device)
    signs = draw_signs(batch, generator).view(-1, 1, 1, 1).to(label.device, non_blocking=True)
    ours, theirs = source["inverse_depth"] - INVALID, target["inverse_depth"] - INVALID
    return ((ours > 0) & (ours >= theirs * (1 - settings.margin * signs))).float()


def class_losses(name: str, outputs: Outputs, label: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
    """Cross-entropy of the final and, where there are any, of initial logits to labels (B, H, W)."""
    return {
        name + suffix: cross_entropy(outputs[head], label, pixel_weight=weight)
        for suffix, head in CLASS_HEADS.items()
        if head in outputs
    }


def depth_losses(name: str, outputs: Outputs, mask: Tensor, known: Tensor, weight: float) -> dict[str, Tensor]:
    """Weighted berHu of final and initial depth: of the source's decoder where the mask is 1, else of the target's.

    A network with one depth decoder has "depth" alone, and learns it everywhere.
    """
    losses = {}
    for suffix, (ours, theirs) in DEPTH_HEADS.items():
        if theirs in outputs:
            prediction = mix(outputs[ours], mask, outputs[theirs]) if ours in outputs else outputs[theirs]
            losses[f"{name}{suffix}_depth"] = weight * berhu_valid(prediction, known, known != INVALID)
    return losses


def full_size(outputs: Outputs, like: Tensor) -> Outputs:
    """Outputs with depth at the size of ``like``."""
    names = {name for pair in DEPTH_HEADS.values() for name in pair}
    return {name: to_size(full_precision(value), like) if name in names else value for name, value in outputs.items()}


def median_nearness(inverse_depth: Tensor) -> Tensor:
    """Median (scalar) of how far known inverse depth is above 1; NaN where nothing is known.

    Along a dimension, because a GPU would wait for the median of all values.
    """
    return (inverse_depth - INVALID).masked_fill(inverse_depth == INVALID, torch.nan).flatten().nanmedian(0).values
