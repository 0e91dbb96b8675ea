"""The range of thresholds that a histogram of depth suggests (Three Ways, section 4.5, ``depthhist``)."""

import torch
from torch import Tensor

_BINS = 100


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
