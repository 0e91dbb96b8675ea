"""Which pixels of an image are kept, and which are taken from its partner (Three Ways, sections 4.4 and 4.5).

Masks are (B, 1, H, W), 0 or 1 in floating point; 1 keeps the own pixel. The partner of image i is image (i + 1) mod B.
Any batch size will do: with one image, partner and image are the same. Nothing here waits for a GPU: random numbers are
drawn on the CPU (from ``generator``, by default PyTorch's own; see :mod:`vergence.mixing.draws` for several
processes), and classes are drawn without looking at them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vergence.mixing.draws import draw_rows

Threshold = float | tuple[float, float] | Tensor
"""A number, a range to draw from for each image, or one number for each image (B,)."""
_LABELS = 256
_BINS = 100


def depthmix_mask(
    disparity: Tensor,
    margin: float = 0.03,
    threshold: Threshold = 0.0,
    other: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """DepthMix: keep the own pixel where it is the nearer one: disparity >= partner's - margin, and >= threshold.

    The masks of two images both keep pixels that differ by less than the margin: they are not complements.

    Args:
        disparity: (B, 1, H, W), larger = nearer, min-max normalised.
        margin: favours the own image on surfaces at one depth (the road).
        threshold: own pixels farther than this are given up; 0 for none.
        other: disparity of the partners, if they are not the next images of the batch.

    Example:
        >>> near, far = torch.tensor([[[[0.9, 0.2]]], [[[0.1, 0.8]]]])
        >>> depthmix_mask(torch.stack([near, far])).tolist()
        [[[[1.0, 0.0]]], [[[0.0, 1.0]]]]
    """
    _check_map(disparity)
    other = disparity.roll(-1, 0) if other is None else other
    if other.shape != disparity.shape:
        raise ValueError(f"disparities have shapes {tuple(disparity.shape)} and {tuple(other.shape)}, expected one")
    keep = disparity >= other - margin
    if isinstance(threshold, tuple | Tensor) or threshold > 0:
        keep &= disparity >= _drawn(threshold, disparity, generator)
    return keep.to(disparity.dtype)


def depth_threshold_mask(
    disparity: Tensor,
    low: float = 0.1,
    high: float = 0.4,
    threshold: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Keep what is near: disparity (B, 1, H, W) >= a threshold drawn from [low, high] for each image, or given (B,).

    Example:
        >>> depth_threshold_mask(torch.tensor([[[[0.1, 0.6]]]]), threshold=torch.tensor([0.5])).tolist()
        [[[[0.0, 1.0]]]]
    """
    _check_map(disparity)
    drawn = _drawn((low, high) if threshold is None else threshold, disparity, generator)
    return (disparity >= drawn).to(disparity.dtype)


def depth_histogram_mask(
    disparity: Tensor, uniform: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """As :func:`depth_threshold_mask`, from a range that each image's histogram of log(1 + disparity) gives.

    The drawn number is compared with the disparity itself, as in the published program. ``uniform`` (B,) in [0, 1]
    are the draws, if given.
    """
    _check_map(disparity)
    low, high = histogram_range(torch.log1p(disparity.float()).flatten(1))
    uniform = _uniform(len(disparity), disparity, generator) if uniform is None else uniform.to(low)
    threshold = uniform * (high - low) + low
    return (disparity >= threshold[:, None, None, None]).to(disparity.dtype)


def depth_band_mask(disparity: Tensor, low: float, high: float, official: bool = False) -> Tensor:
    """Keep low <= disparity <= high. ``official``: the comparison of the published program, whose second half sees
    the truth value of the first (0 or 1): for high < 1 it keeps what is farther than ``low`` (section 8).

    Example:
        >>> depth_band_mask(torch.tensor([[[[0.1, 0.4, 0.9]]]]), 0.2, 0.5).tolist()
        [[[[0.0, 1.0, 0.0]]]]
    """
    _check_map(disparity)
    seen = (disparity >= low).to(disparity.dtype) if official else disparity
    keep = (seen <= high) if official else (disparity >= low) & (seen <= high)
    return keep.to(disparity.dtype)


def classmix_mask(
    labels: Tensor,
    ignore: int | None = 255,
    chosen: Sequence[Tensor] | None = None,
    generator: torch.Generator | None = None,
    round_up: bool = False,
) -> Tensor:
    """ClassMix (Olsson et al., WACV 2021): keep the pixels of half of the classes that an image shows, rounded down.

    Args:
        labels: (B, H, W) integers in 0..255, usually the teacher's most probable classes.
        ignore: this label is no class and is never kept; None: every label is a class (CorDA as released).
        chosen: the classes to keep for each image; drawn if not given.
        round_up: keep the larger half of an odd number (DACS and CorDA), so that a single class is kept.

    Returns:
        (B, 1, H, W) float32.

    Example:
        >>> classmix_mask(torch.tensor([[[0, 1, 2]]]), chosen=[torch.tensor([0, 2])]).tolist()
        [[[[1.0, 0.0, 1.0]]]]
    """
    if labels.ndim != 3:
        raise ValueError(f"labels have shape {tuple(labels.shape)}, expected (B, H, W)")
    flat = labels.long().flatten(1)
    if chosen is None:
        keep = _half_of_classes(flat, ignore, round_up, generator)
    else:
        if len(chosen) != len(labels):
            raise ValueError(f"classes were chosen for {len(chosen)} images, expected {len(labels)}")
        keep = torch.zeros(len(labels), _LABELS, device=labels.device)
        for image, classes in enumerate(chosen):
            keep[image, classes.to(labels.device, torch.long)] = 1
    return keep.gather(1, flat).view(labels.shape)[:, None]


def _half_of_classes(flat: Tensor, ignore: int | None, round_up: bool, generator: torch.Generator | None) -> Tensor:
    """Table (B, 256), 1 for half of the n labels in each row of (B, N), all choices equally likely."""
    batch = len(flat)
    present = torch.zeros(batch, _LABELS, dtype=torch.bool, device=flat.device).scatter_(1, flat, True)
    if ignore is not None:
        present[:, ignore] = False
    # every class gets a place in a random order of all; those that are absent go behind
    draw = _to(draw_rows(batch, _LABELS, generator=generator), flat).masked_fill(~present, 2.0)
    rank = draw.argsort(dim=1).argsort(dim=1)
    return (rank < (present.sum(dim=1, keepdim=True) + int(round_up)) // 2).float()


def cutmix_mask(
    batch: int,
    height: int,
    width: int,
    area: float = 0.5,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """CutMix (French et al., BMVC 2020): give up one box per image, of random shape and place, of this share of it.

    Returns (B, 1, H, W) float32 on the device; what is drawn moves there, not the mask.

    Example:
        >>> cutmix_mask(2, 4, 6).shape
        torch.Size([2, 1, 4, 6])
    """
    if not 0 < area < 1 or min(batch, height, width) < 1:
        raise ValueError(f"cutmix_mask: area {area} of {batch} images {height} x {width}, expected 0 < area < 1")
    shape, top, left = draw_rows(batch, 3, generator=generator).unbind(1)
    tall, wide = area**shape * height, area ** (1 - shape) * width
    top, left = top * (height - tall), left * (width - wide)

    def inside(start: Tensor, length: Tensor, count: int) -> Tensor:
        first, end = torch.stack((start.round(), (start + length).round())).to(device, non_blocking=True)
        at = torch.arange(count, device=device)
        return (at >= first[:, None]) & (at < end[:, None])

    box = inside(top, tall, height)[:, :, None] & inside(left, wide, width)[:, None, :]
    return (~box).float()[:, None]


def _check_map(disparity: Tensor) -> None:
    if disparity.ndim != 4 or disparity.shape[1] != 1:
        raise ValueError(f"disparity has shape {tuple(disparity.shape)}, expected (B, 1, H, W)")


def _drawn(threshold: Threshold, like: Tensor, generator: torch.Generator | None) -> Tensor | float:
    """One number for each image as (B, 1, 1, 1), or the one for all."""
    if isinstance(threshold, tuple):
        low, high = threshold
        threshold = _uniform(len(like), like, generator) * (high - low) + low
    if not isinstance(threshold, Tensor):
        return threshold
    if threshold.shape != like.shape[:1]:
        raise ValueError(f"threshold has shape {tuple(threshold.shape)}, expected ({len(like)},)")
    return threshold.to(like.device, like.dtype, non_blocking=True)[:, None, None, None]


def _uniform(count: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    return _to(draw_rows(count, generator=generator), like)


def _to(x: Tensor, like: Tensor) -> Tensor:
    """On the device of ``like``, without waiting for it."""
    return x.to(like.device, non_blocking=True)


def histogram_range(values: Tensor, dense: float = 1.5, share: float = 0.4) -> tuple[Tensor, Tensor]:
    """Lower and upper threshold (B,) for each row of values (B, N).

    Of a histogram with 100 bins from minimum to maximum: the lower is the left edge of the bin in which the cumulative
    share first exceeds ``share``; the upper is the upper edge of the highest bin, the topmost left out, whose
    probability density exceeds ``dense`` (the maximum if none does).
    """
    if values.ndim != 2:
        raise ValueError(f"values have shape {tuple(values.shape)}, expected (B, N)")
    least, most = values.aminmax(dim=1, keepdim=True)
    width = (most - least) / _BINS  # 0 for a constant: one bin holds all, and both thresholds are that constant
    bins = ((values - least) / width.clamp(min=torch.finfo(values.dtype).tiny)).long().clamp(0, _BINS - 1)
    counts = torch.zeros(len(values), _BINS, dtype=torch.long, device=values.device)
    counts.scatter_add_(1, bins, torch.ones_like(bins))
    shares = counts.to(values.dtype) / values.shape[1]
    bin_number = torch.arange(_BINS, device=values.device)
    reached = (shares.cumsum(dim=1) > share) & (counts > 0)
    lower = torch.where(reached, bin_number, _BINS).amin(dim=1, keepdim=True)
    crowded = (shares > dense * width) & (bin_number < _BINS - 1)
    upper = torch.where(crowded, bin_number + 1, 0).amax(dim=1, keepdim=True)
    upper = torch.where(upper > 0, upper, _BINS)
    return (least + lower * width)[:, 0], (least + upper * width)[:, 0]
