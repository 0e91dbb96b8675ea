"""One semi-supervised step (three_ways 4.3): pseudo-labels, ground truth in their place, mixing, the weighted loss."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vergence.losses.segmentation import cross_entropy, pseudo_labels
from vergence.methods.consistency_config import ConsistencyConfig
from vergence.mixing.augment import StrongDraw, strong_augment
from vergence.mixing.masks import (
    classmix_mask,
    cutmix_mask,
    depth_histogram_mask,
    depth_threshold_mask,
    depthmix_mask,
)
from vergence.mixing.mix import mix


class Mixed(NamedTuple):
    """What the student sees, and what it should say."""

    images: Tensor  # (B, 3, H, W)
    mask: Tensor  # (B, 1, H, W), 1 keeps the own pixel
    label: Tensor  # (B, H, W)
    confidence: Tensor  # (B, H, W) of the mixed distribution
    share: Tensor  # scalar: share of all pixels that are confident


def with_truth(probabilities: Tensor, label: Tensor, labelled: Tensor) -> Tensor:
    """Teacher probabilities (B, K, H, W), for labelled images (B,) replaced by their one-hot labels (B, H, W).

    Pixels without a label become all zero, which :func:`pseudo_labels` ignores (4.2).
    """
    classes = probabilities.shape[1]
    onehot = label[:, None] == torch.arange(classes, device=label.device)[:, None, None]
    return torch.where(labelled[:, None, None, None], onehot.to(probabilities.dtype), probabilities)


def mix_mask(
    config: ConsistencyConfig, probabilities: Tensor, depth: Tensor | None, generator: torch.Generator | None = None
) -> Tensor:
    """The mask (B, 1, H, W) of the configured mode; ``depth`` is normalised disparity (B, 1, H, W)."""
    batch, _, height, width = probabilities.shape
    if config.mix == "none":
        return probabilities.new_ones(batch, 1, height, width)
    if config.mix == "cutmix":
        return cutmix_mask(batch, height, width, generator=generator, device=probabilities.device).to(probabilities)
    if config.mix == "classmix":
        return classmix_mask(probabilities.argmax(1), generator=generator).to(probabilities)
    assert depth is not None
    if config.mix == "depth_threshold":
        return depth_threshold_mask(depth, generator=generator)
    if config.mix == "depth_histogram":
        return depth_histogram_mask(depth, generator=generator)
    low, high = config.threshold
    threshold = low if low == high else (low, high)
    return depthmix_mask(depth, margin=config.margin, threshold=threshold, generator=generator)


@torch.no_grad()
def mixed_view(
    config: ConsistencyConfig,
    images: Tensor,
    probabilities: Tensor,
    depth: Tensor | None = None,
    draw: StrongDraw | None = None,
    generator: torch.Generator | None = None,
) -> Mixed:
    """Mix images (B, 3, H, W) and teacher probabilities (B, K, H, W) by one mask; then change the images strongly."""
    mask = mix_mask(config, probabilities, depth, generator)
    label, confidence, share = pseudo_labels(mix(probabilities, mask), config.confidence)
    mixed = mix(images, mask)
    if draw is not None:
        mixed = strong_augment(mixed, draw)
    return Mixed(mixed, mask, label, confidence, share)


def consistency_loss(config: ConsistencyConfig, logits: Tensor, label: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy to pseudo-labels (B, H, W), ignored pixels counting as zeros, times the confident share (4.7)."""
    weight = share if config.confidence_weight else torch.ones_like(share)
    return config.weight * cross_entropy(logits, label, pixel_weight=weight.expand(label.shape))


def clean_loss(
    config: ConsistencyConfig, student: Callable[[Tensor], Tensor], images: Tensor, probabilities: Tensor
) -> Tensor:
    """The same loss on the unmixed images (11: clean-view consistency)."""
    label, _, share = pseudo_labels(probabilities, config.confidence)
    return config.clean * consistency_loss(config, student(images), label, share)
