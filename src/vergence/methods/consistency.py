"""One semi-supervised step (three_ways 4.3): pseudo-labels, ground truth in their place, mixing, the weighted loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.segmentation import cross_entropy, pseudo_labels
from vergence.mixing.augment import StrongDraw, strong_augment
from vergence.mixing.masks import (
    classmix_mask,
    cutmix_mask,
    depth_histogram_mask,
    depth_threshold_mask,
    depthmix_mask,
)
from vergence.mixing.mix import mix

Mixing = Literal["none", "cutmix", "classmix", "depthmix", "depth_threshold", "depth_histogram"]
DEPTH_MIXES = ("depthmix", "depth_threshold", "depth_histogram")


@dataclass
class ConsistencyConfig:
    """Constants of learning from unlabelled frames; the defaults are the paper's (three_ways 4.3 to 4.7)."""

    mix: Mixing = "depthmix"
    """What decides whose pixels are kept: nothing, boxes, classes, or depth in three forms."""
    margin: float = 0.03
    """Of DepthMix: how much farther the own pixel may be (normalised disparity)."""
    threshold: tuple[float, float] = (0.0, 0.0)
    """Of DepthMix: the own pixel must be at least so near; drawn from this range for each image."""
    confidence: float = 0.968
    """Probability from which a pseudo-label counts as confident."""
    confidence_weight: bool = True
    """Weight the loss with the share of confident pixels."""
    weight: float = 1.0
    mixed_statistics: bool = True
    """Let mixed frames change the batch norm statistics that prediction uses, as the published program does. Short
    trainings do better without: strongly changed colours are no part of the frames that one predicts for."""
    clean: float = 0.0
    """Weight of the same loss on the unmixed frames."""
    jitter: float = 0.8
    """Probability of changing the mixed batch's colours, by ``strength``."""
    strength: float = 0.25
    blur: float = 0.5
    """Probability of blurring the mixed batch."""


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
    known = label < classes
    onehot = F.one_hot(label.clamp(max=classes - 1), classes).permute(0, 3, 1, 2) * known[:, None]
    return torch.where(labelled[:, None, None, None], onehot.to(probabilities.dtype), probabilities)


def mix_mask(
    config: ConsistencyConfig, probabilities: Tensor, depth: Tensor | None, generator: torch.Generator | None = None
) -> Tensor:
    """The mask (B, 1, H, W) of the configured mode; ``depth`` is normalised disparity (B, 1, H, W)."""
    batch, _, height, width = probabilities.shape
    if config.mix == "none":
        return probabilities.new_ones(batch, 1, height, width)
    if config.mix == "cutmix":
        return cutmix_mask(batch, height, width, generator=generator).to(probabilities)
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
