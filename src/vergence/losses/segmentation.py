"""Losses on class logits, and pseudo-labels (Three Ways, sections 3.2 and 4.7; semhint, 2.8)."""

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

    Example:
        >>> logits, label = torch.zeros(1, 4, 1, 2), torch.tensor([[[3, 255]]])
        >>> round(cross_entropy(logits, label).exp().item(), 4)
        4.0
    """
    loss, target, weight = _pixel_losses(logits, target, class_weight)
    return _mean(loss, target, weight, pixel_weight)


def class_balance_weight(label: Tensor, power: float, weight: Tensor | None = None, rarest: float = 1e-3) -> Tensor:
    """Weights (B, H, W) of pixels: the share of their class among all labelled pixels to the power -``power``.

    Args:
        label: (B, H, W) integers, 255: ignored (weight 0).
        power: 0 gives every pixel 1, 1 every class the same sum.
        weight: (B, H, W), how much pixels count in the shares.
        rarest: smaller shares count as this one.

    Example:
        >>> class_balance_weight(torch.tensor([[[0, 0, 0, 1, 255]]]), power=1)
        tensor([[[1.3333, 1.3333, 1.3333, 4.0000, 0.0000]]])
    """
    known = label != IGNORED_LABEL
    counted = known.double() if weight is None else known * weight.double()
    shares = counted.new_zeros(IGNORED_LABEL + 1).scatter_add_(0, label.flatten(), counted.flatten())
    factor = (shares / shares.sum().clamp(min=1e-12)).clamp(min=rarest).pow(-power)
    return factor[label].float() * known


def generalised_cross_entropy(
    logits: Tensor, target: Tensor, q: float = 0.7, pixel_weight: Tensor | None = None
) -> Tensor:
    """(1 - p^q) / q of the label's probability p (Zhang and Sabuncu, NeurIPS 2018): wrong labels pull less.

    Between cross-entropy (q to 0) and the mean absolute error (q = 1). Shapes and means as in :func:`cross_entropy`.

    Example:
        >>> generalised_cross_entropy(torch.zeros(1, 2, 1, 1), torch.tensor([[[0]]]), q=1.0).item()
        0.5
    """
    if not 0 < q <= 1:
        raise ValueError(f"q is {q}, expected above 0 and at most 1")
    loss, target, _ = _pixel_losses(logits, target)
    return _mean(torch.expm1(-q * loss) / -q, target, None, pixel_weight)


def symmetric_cross_entropy(
    logits: Tensor,
    target: Tensor,
    alpha: float = 0.1,
    beta: float = 1.0,
    log_zero: float = -4.0,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """alpha CE + beta reverse CE (Wang et al., ICCV 2019), in which the label's log 0 is ``log_zero``.

    The reverse term, -``log_zero`` (1 - p), is bounded: wrong labels pull less. Shapes and means as in
    :func:`cross_entropy`.

    Example:
        >>> symmetric_cross_entropy(torch.zeros(1, 2, 1, 1), torch.tensor([[[0]]]), alpha=0).item()
        2.0
    """
    loss, target, _ = _pixel_losses(logits, target)
    return _mean(alpha * loss + beta * log_zero * torch.expm1(-loss), target, None, pixel_weight)


def _pixel_losses(
    logits: Tensor, target: Tensor, class_weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cross-entropy (B, H, W) of every pixel, 0 where ignored; target and class weights as it took them."""
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
    return F.cross_entropy(logits, target, weight, ignore_index=IGNORED_LABEL, reduction="none"), target, weight


def _mean(loss: Tensor, target: Tensor, class_weight: Tensor | None, pixel_weight: Tensor | None) -> Tensor:
    if pixel_weight is not None:
        if not broadcasts_to(pixel_weight.shape, target.shape):
            raise ValueError(f"pixel_weight has shape {tuple(pixel_weight.shape)}, expected {tuple(target.shape)}")
        return (loss * pixel_weight.to(loss)).mean()
    counted = (target != IGNORED_LABEL).to(loss)
    if class_weight is not None:
        counted = counted * class_weight[target.clamp(0, len(class_weight) - 1)]
    total = counted.sum()
    return loss.sum() / torch.where(total > 0, total, torch.ones_like(total))


def pseudo_labels(probabilities: Tensor, threshold: float = 0.968) -> tuple[Tensor, Tensor, Tensor]:
    """Labels from (mixed) teacher probabilities (B, K, H, W).

    Returns:
        Label (B, H, W) int64, 255 where all probabilities are 0 (pixels known to have no label); confidence
        (B, H, W), the largest probability; and the scalar share of ALL pixels whose confidence is at least
        ``threshold``: the paper's weight of the whole batch.

    Example:
        >>> probabilities = torch.tensor([[0.99, 0.6, 0.0], [0.01, 0.4, 0.0]]).view(1, 2, 1, 3)
        >>> label, confidence, share = pseudo_labels(probabilities)
        >>> label.tolist(), round(share.item(), 3)
        ([[[0, 0, 255]]], 0.333)
    """
    if probabilities.ndim != 4:
        raise ValueError(f"probabilities have shape {tuple(probabilities.shape)}, expected (B, K, H, W)")
    confidence, label = probabilities.detach().max(dim=1)
    confidence = full_precision(confidence)  # 0.968 is no number of half precision
    share = (confidence >= threshold).to(confidence.dtype).mean()
    return label.masked_fill(confidence == 0, IGNORED_LABEL), confidence, share


def pixel_entropy(logits: Tensor) -> Tensor:
    """Entropy of the predicted distribution over log K, (B, H, W) in [0, 1]; logits (B, K, H, W), K at least 2.

    Example:
        >>> pixel_entropy(torch.zeros(1, 19, 1, 1)).item()
        1.0
    """
    if logits.ndim != 4 or logits.shape[1] < 2:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, expected (B, K, H, W) with K of 2 or more")
    probability = full_precision(logits).softmax(dim=1)
    # 1e-30: 0 log 0 = 0, also in the gradient
    return -(probability * torch.log2(probability + 1e-30)).sum(dim=1) / math.log2(logits.shape[1])
