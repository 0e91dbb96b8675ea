"""Depth metrics under named protocols: per image, then the mean over images, never pooled over pixels.

Sources: Eigen et al. (NIPS 2014), Garg et al. (ECCV 2016, the crop), Godard et al. (ICCV 2019, flip post-processing).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vergence.geometry.camera import resize_inverse_depth
from vergence.settings.protocols import DepthProtocol

DEPTH_METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")
GARG_CROP = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""Rows from, to, columns from, to, as shares of the size; truncated to pixels."""


def depth_errors(ground_truth: Tensor, prediction: Tensor) -> Tensor:
    """The seven metrics (7,), in the order of DEPTH_METRICS, of two vectors (N,) of positive depths.

    abs_rel = mean |g - p| / g, sq_rel = mean (g - p)^2 / g, rmse, rmse_log (natural), a_j = share of
    max(g / p, p / g) < 1.25^j (strict). Not a number where N is 0.

    Example:
        >>> depth_errors(torch.tensor([10.0]), torch.tensor([11.0]))
        tensor([0.1000, 0.1000, 1.0000, 0.0953, 1.0000, 1.0000, 1.0000])
    """
    if ground_truth.shape != prediction.shape or ground_truth.ndim != 1:
        raise ValueError(
            f"ground truth and prediction have shapes {tuple(ground_truth.shape)} and {tuple(prediction.shape)}, "
            "expected two vectors of one length"
        )
    ratio = torch.maximum(ground_truth / prediction, prediction / ground_truth)
    difference = ground_truth - prediction
    squared = difference.square()
    errors = [
        (difference.abs() / ground_truth).mean(),
        (squared / ground_truth).mean(),
        squared.mean().sqrt(),
        (ground_truth.log() - prediction.log()).square().mean().sqrt(),
    ]
    shares = [(ratio < 1.25**power).to(ratio.dtype).mean() for power in (1, 2, 3)]
    return torch.stack(errors + shares)


def garg_crop(like: Tensor) -> Tensor:
    """Bool of the shape of ``like`` (..., H, W): inside the crop of Garg et al."""
    height, width = like.shape[-2:]
    rows = slice(int(GARG_CROP[0] * height), int(GARG_CROP[1] * height))
    columns = slice(int(GARG_CROP[2] * width), int(GARG_CROP[3] * width))
    inside = torch.zeros_like(like, dtype=torch.bool)
    inside[..., rows, columns] = True
    return inside


def counted(ground_truth: Tensor, protocol: DepthProtocol) -> Tensor:
    """Bool (H, W): pixels that count under a protocol."""
    if protocol.cap_ground_truth:
        mask = (ground_truth > protocol.min_depth) & (ground_truth < protocol.max_depth)
    else:
        mask = ground_truth > 0
    return mask & garg_crop(mask) if protocol.crop == "garg" else mask


class DepthScore(NamedTuple):
    """One image: errors (7,), the scaling ratio (1 without median scaling) and the number of pixels that counted."""

    errors: Tensor
    ratio: Tensor
    pixels: Tensor


def median(values: Tensor) -> Tensor:
    """The median of a vector, NaN if empty; of an even number the mean of the middle two (torch takes the lower).

    Example:
        >>> median(torch.tensor([1.0, 2.0, 4.0, 9.0])).item()
        3.0
    """
    if len(values) == 0:
        return values.new_full((), torch.nan)
    lower = values.kthvalue((len(values) + 1) // 2).values  # several times faster than sorting
    return lower if len(values) % 2 else (lower + values.kthvalue(len(values) // 2 + 1).values) / 2


_FARTHEST = torch.finfo(torch.float32).tiny
"""Inverse depth of what a prediction puts infinitely far: a finite depth has a median, and can be scaled by one."""


class Compared(NamedTuple):
    """Truth (N,) and scaled prediction (N,) of the pixels that count (H, W) bool, and the scaling ratio."""

    truth: Tensor
    prediction: Tensor
    mask: Tensor
    ratio: Tensor


def compare(inverse_depth: Tensor, ground_truth: Tensor, protocol: DepthProtocol) -> Compared:
    """Resize *inverse* depth (h, w) to the truth's size (H, W), invert, mask, scale and clip; float64."""
    if inverse_depth.ndim != 2 or ground_truth.ndim != 2:
        raise ValueError(
            f"inverse depth and truth have shapes {tuple(inverse_depth.shape)} and {tuple(ground_truth.shape)}, "
            "expected (h, w) and (H, W)"
        )
    ground_truth = ground_truth.double()
    mask = counted(ground_truth, protocol)
    resized = resize_inverse_depth(inverse_depth, ground_truth.shape)[mask].double()
    prediction = 1 / resized.clamp(min=_FARTHEST)
    truth = ground_truth[mask]
    ratio = truth.new_ones(())
    if protocol.scale == "median":
        ratio = median(truth) / median(prediction)
        prediction = prediction * ratio
    elif protocol.scale != "none":
        prediction = prediction * float(protocol.scale)
    return Compared(truth, prediction.clamp(protocol.min_depth, protocol.max_depth), mask, ratio)


def score_inverse_depth(inverse_depth: Tensor, ground_truth: Tensor, protocol: DepthProtocol) -> DepthScore:
    """Score one prediction under a protocol; see :func:`compare`.

    Args:
        inverse_depth: (h, w), in 1 / metres or unscaled.
        ground_truth: (H, W) metres, 0 = none.

    Returns:
        NaN errors with 0 pixels where no truth counts.

    Example:
        >>> score = score_inverse_depth(torch.full((4, 6), 0.2), torch.full((8, 12), 10.0), DepthProtocol("mine"))
        >>> score.errors[0].item(), score.ratio, score.pixels
        (0.0, tensor(2.0000, dtype=torch.float64), tensor(96))
    """
    truth, prediction, _, ratio = compare(inverse_depth, ground_truth, protocol)
    if len(truth) == 0:
        return DepthScore(truth.new_full((7,), torch.nan), ratio * torch.nan, torch.tensor(0))
    return DepthScore(depth_errors(truth, prediction), ratio, torch.tensor(len(truth)))


def class_errors(compared: Compared, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Sum of |g - p| / g over the pixels of each class (K,) and their number (K,), both float64.

    Args:
        compared: one image, compared.
        label: (H, W) class ids at the truth's size; other ids than 0 to K - 1 do not count.
        classes: K.
    """
    if label.shape != compared.mask.shape:
        raise ValueError(
            f"label has shape {tuple(label.shape)}, expected that of the truth {tuple(compared.mask.shape)}"
        )
    ids = label[compared.mask].long()
    valid = (ids >= 0) & (ids < classes)
    relative = ((compared.truth - compared.prediction).abs() / compared.truth)[valid]
    counts = torch.bincount(ids[valid], minlength=classes).double()
    return torch.bincount(ids[valid], weights=relative, minlength=classes), counts


def near_pixels(compared: Compared, inverse_depth: Tensor, region: Tensor, protocol: DepthProtocol) -> Tensor:
    """(2,) float64: how many pixels of a region are predicted at under half the protocol's farthest depth, of how many.

    For what no sensor measures because it is too far, the sky above all: errors that metrics on measured depth miss.

    Args:
        compared: the image, compared; gives the scale.
        inverse_depth: (h, w), in 1 / metres or unscaled.
        region: bool (H, W), pixels without measured depth.
    """
    ratio = compared.ratio
    if isinstance(protocol.scale, float | int):
        ratio = ratio * protocol.scale
    depth = ratio / resize_inverse_depth(inverse_depth, region.shape)[region].double()
    return torch.stack([(depth < protocol.max_depth / 2).sum(), region.sum()]).double()


def flip_postprocess(plain: Tensor, flipped_back: Tensor) -> Tensor:
    """Blend the disparity of an image and of its mirror image, mirrored back, both (B, 1, h, w) (Godard et al. 2017).

    The mean, but for the left 5 % (up to 10 % by a ramp), where only the mirrored one counts, and the right, where only
    the plain one does: each prediction is poor where its picture shows what the other view does not.
    """
    if plain.shape != flipped_back.shape:
        raise ValueError(f"disparities have shapes {tuple(plain.shape)} and {tuple(flipped_back.shape)}, expected one")
    x = torch.linspace(0, 1, plain.shape[-1], dtype=plain.dtype, device=plain.device)
    left = 1 - (20 * (x - 0.05)).clamp(0, 1)
    right = left.flip(0)
    return right * plain + left * flipped_back + (1 - left - right) * (plain + flipped_back) / 2
