"""Losses on depth features and on depth itself (Three Ways, CorDA, SemHint-MD)."""

from typing import Literal

import torch
from torch import Tensor

from vergence.losses.tensors import broadcasts_to, full_precision


def feature_distance(features: Tensor, reference: Tensor) -> Tensor:
    """One Euclidean norm over the whole tensor (Three Ways, equation 4; not a mean, so it grows with batch and size).

    features and reference: same shape, usually (B, C, h, w) bottleneck maps; the reference gets no gradient. Its
    gradient at equality is 0.

    Example:
        >>> feature_distance(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])).item()
        5.0
    """
    if features.shape != reference.shape:
        raise ValueError(f"features have shape {tuple(features.shape)}, reference {tuple(reference.shape)}")
    return torch.linalg.vector_norm(full_precision(features) - full_precision(reference.detach()))


def berhu(prediction: Tensor, target: Tensor, mask: Tensor | None = None, apply_log: bool = False) -> Tensor:
    """Reverse Huber loss (scalar) between disparities of any scale (Three Ways, section 5.2).

    With a = |target - prediction| * mask and c = 0.2 max(a) over the whole batch (a constant to the gradient), the mean
    over ALL elements, masked ones as zeros, of a where a <= c and (a^2 + c^2) / 2c elsewhere. Where all are equal the
    loss and its gradient are 0.

    Args:
        prediction: usually (B, 1, H, W).
        target: the same shape; gets no gradient.
        mask: 0/1 or weights of the same shape, or broadcastable to it.
        apply_log: compare log(1 + x), for values above -1.

    Example:
        >>> berhu(torch.tensor([0.0, 0.0]), torch.tensor([0.1, 1.0]))
        tensor(1.3500)
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction has shape {tuple(prediction.shape)}, target {tuple(target.shape)}")
    prediction, target = full_precision(prediction), full_precision(target.detach())
    if apply_log:
        prediction, target = torch.log1p(prediction), torch.log1p(target)
    difference = (target - prediction).abs()
    if mask is not None:
        if not broadcasts_to(mask.shape, prediction.shape):
            raise ValueError(f"mask has shape {tuple(mask.shape)}, expected {tuple(prediction.shape)}")
        difference = difference * mask.to(difference.dtype)
    return _reverse_huber(difference).mean()


def berhu_valid(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Reverse Huber loss (scalar) where depth is known (CorDA, section 3): as :func:`berhu`, but the mean is over
    valid elements only; 0 where there are none.

    Args:
        prediction: usually (B, 1, H, W).
        target: the same shape; gets no gradient, and is not looked at where it is not valid.
        valid: bool of the same shape, or broadcastable to it.

    Example:
        >>> berhu_valid(torch.tensor([1.0, 5.0]), torch.tensor([1.0, 9.0]), torch.tensor([True, False])).item()
        0.0
    """
    if prediction.shape != target.shape:
        raise ValueError(f"prediction has shape {tuple(prediction.shape)}, target {tuple(target.shape)}")
    if valid.dtype != torch.bool or not broadcasts_to(valid.shape, prediction.shape):
        raise ValueError(
            f"valid has shape {tuple(valid.shape)} of {valid.dtype}, expected {tuple(prediction.shape)} of torch.bool"
        )
    prediction, target = full_precision(prediction), full_precision(target.detach())
    valid = valid.expand(prediction.shape)
    # equal where nothing is known: no loss there, and a gradient of exactly 0 whatever the target holds
    difference = (torch.where(valid, target, prediction.detach()) - prediction).abs()
    return valid_mean(_reverse_huber(difference), valid)


def hint_loss(
    depth: Tensor,
    target_depth: Tensor,
    mask: Tensor,
    form: Literal["log_l1", "log_ratio", "inverse"] = "log_l1",
    weight: Tensor | None = None,
) -> Tensor:
    """Loss (scalar) of depth where there is a hint (SemHint-MD, section 2.7): the mean over the mask, 0 where empty.

    "log_l1": ln(1 + |depth - target|) (Depth Hints); "log_ratio": |ln depth - ln target|, for depth of unknown scale;
    "inverse": |1 / depth - 1 / target| over the image's mean of 1 / depth, for any scale, too. What networks predict is
    inverse depth: its gradient is alike everywhere in the third form, and grows with depth in the others, so that far
    things win over near ones.

    Args:
        depth: (B, 1, H, W), positive.
        target_depth: the same shape; gets no gradient, and is not looked at outside the mask.
        mask: bool of the same shape.
        weight: of the pixels in the mean, not negative, the same shape; alike if None.

    Example:
        >>> depth, hint = torch.tensor([2.0, 7.0]).view(1, 1, 1, 2), torch.tensor([2.0, 1.0]).view(1, 1, 1, 2)
        >>> hint_loss(depth, hint, torch.tensor([True, False]).view(1, 1, 1, 2)).item()
        0.0
    """
    if depth.shape != target_depth.shape or depth.shape != mask.shape or mask.dtype != torch.bool:
        raise ValueError(
            f"depth has shape {tuple(depth.shape)}, target_depth {tuple(target_depth.shape)}, mask {tuple(mask.shape)} "
            f"of {mask.dtype}; expected one shape and torch.bool"
        )
    if form not in ("log_l1", "log_ratio", "inverse"):
        raise ValueError(f'form is {form!r}, expected "log_l1", "log_ratio" or "inverse"')
    depth = full_precision(depth)
    target = torch.where(mask, full_precision(target_depth.detach()), depth.detach())
    if form == "inverse":
        mean = depth.detach().reciprocal().mean(dim=(1, 2, 3), keepdim=True)
        error = (depth.reciprocal() - target.reciprocal()).abs() / mean
    else:
        error = torch.log1p((depth - target).abs()) if form == "log_l1" else (depth.log() - target.log()).abs()
    counted = mask if weight is None else mask * weight
    return (error * counted).sum() / (counted.sum() + 1e-7)


def class_balance(labels: Tensor, mask: Tensor, power: float, least: int = 50) -> Tensor:
    """Weights (B, 1, H, W) that keep large classes from outvoting small ones: n^-power times their mean's inverse.

    n is how many pixels of the mask are of the pixel's class in the batch, at least ``least``. 0: all count alike; 1:
    all classes do. The mean over the mask is 1.

    Args:
        labels: (B, H, W) int64, 0 to 255.
        mask: (B, 1, H, W) bool.

    Example:
        >>> labels, mask = torch.tensor([[[0, 0, 0, 1]]]), torch.ones(1, 1, 1, 4, dtype=torch.bool)
        >>> class_balance(labels, mask, power=1, least=1).flatten()
        tensor([0.6667, 0.6667, 0.6667, 2.0000])
    """
    count = torch.zeros(256, device=labels.device)
    count.scatter_add_(0, labels.flatten(), mask.flatten().float())
    weight = count.clamp(min=least).pow(-power)[labels][:, None]
    return weight * (mask.sum() / (weight * mask).sum().clamp(min=1e-12))


def valid_mean(errors: Tensor, valid: Tensor) -> Tensor:
    """Mean (scalar) over valid elements (bool, the same shape), 0 where there are none; nothing waits for a count.

    Example:
        >>> valid_mean(torch.tensor([1.0, 3.0, 99.0]), torch.tensor([True, True, False])).item()
        2.0
    """
    return (errors * valid).sum() / valid.sum().clamp(min=1)


def _reverse_huber(difference: Tensor) -> Tensor:
    """a where a <= c = 0.2 max(a), a constant to the gradient, and (a^2 + c^2) / 2c elsewhere."""
    limit = 0.2 * difference.detach().max()
    divisor = torch.where(limit > 0, limit, torch.ones_like(limit))
    return torch.where(difference <= limit, difference, (difference * (difference / divisor) + limit) / 2)
