"""Losses on class logits, and pseudo-labels (Three Ways, sections 3.2 and 4.7)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.tensors import broadcasts_to, full_precision

IGNORED_LABEL = 255
"""Pixels with this label teach nothing."""


def cross_entropy(
    logits: Tensor, target: Tensor, class_weight: Tensor | None = None, pixel_weight: Tensor | None = None
) -> Tensor:
    """Cross-entropy (scalar, nats), in single precision or better.

    Args:
        logits: (B, K, h, w); resized bilinearly (corners aligned) to the target where their sizes differ.
        target: (B, H, W) integers in 0..K-1, or 255: ignored.
        class_weight: (K,), of each pixel's own class.
        pixel_weight: (B, H, W), or broadcastable to it.

    Returns:
        Without ``pixel_weight`` the mean over pixels that are not ignored (weighted by class, if so), 0 if there are
        none. With it the mean over ALL pixels of weight times loss, where ignored pixels count as zeros.
    """
    if logits.ndim != 4 or target.ndim != 3 or len(logits) != len(target):
        raise ValueError(
            f"logits and target have shapes {tuple(logits.shape)} and {tuple(target.shape)}, "
            "expected (B, K, h, w) and (B, H, W)"
        )
    classes = logits.shape[1]
    if class_weight is not None and class_weight.shape != (classes,):
        raise ValueError(f"class_weight has shape {tuple(class_weight.shape)}, expected ({classes},)")
    logits, target = full_precision(logits), target.long()
    if logits.shape[-2:] != target.shape[-2:]:
        logits = F.interpolate(logits, size=target.shape[-2:], mode="bilinear", align_corners=True)
    weight = None if class_weight is None else class_weight.to(logits)
    # summed below: PyTorch's own reductions on a GPU depend on the order of threads
    loss = F.cross_entropy(logits, target, weight, ignore_index=IGNORED_LABEL, reduction="none")
    if pixel_weight is not None:
        if not broadcasts_to(pixel_weight.shape, target.shape):
            raise ValueError(f"pixel_weight has shape {tuple(pixel_weight.shape)}, expected {tuple(target.shape)}")
        return (loss * pixel_weight.to(loss)).mean()
    counted = (target != IGNORED_LABEL).to(loss)
    if weight is not None:
        counted = counted * weight[target.clamp(0, classes - 1)]
    total = counted.sum()
    return loss.sum() / torch.where(total > 0, total, torch.ones_like(total))


def pseudo_labels(probabilities: Tensor, threshold: float = 0.968) -> tuple[Tensor, Tensor, Tensor]:
    """Labels from (mixed) teacher probabilities (B, K, H, W).

    Returns:
        Label (B, H, W) int64, 255 where all probabilities are 0 (pixels known to have no label); confidence
        (B, H, W), the largest probability; and the scalar share of ALL pixels whose confidence is at least
        ``threshold``: the paper's weight of the whole batch.
    """
    if probabilities.ndim != 4:
        raise ValueError(f"probabilities have shape {tuple(probabilities.shape)}, expected (B, K, H, W)")
    confidence, label = probabilities.detach().max(dim=1)
    confidence = full_precision(confidence)  # 0.968 is no number of half precision
    share = (confidence >= threshold).to(confidence.dtype).mean()
    return label.masked_fill(confidence == 0, IGNORED_LABEL), confidence, share


def pixel_entropy(logits: Tensor) -> Tensor:
    """Entropy of the predicted distribution over log K, (B, H, W) in [0, 1]; logits (B, K, H, W), K at least 2."""
    if logits.ndim != 4 or logits.shape[1] < 2:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, expected (B, K, H, W) with K of 2 or more")
    probability = full_precision(logits).softmax(dim=1)
    # 1e-30: 0 log 0 = 0, also in the gradient
    return -(probability * torch.log2(probability + 1e-30)).sum(dim=1) / math.log2(logits.shape[1])
