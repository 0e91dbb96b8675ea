"""Robust planes through regions of an inverse depth map.

A plane in space is exactly affine in inverse depth: 1 / Z = a u + b v + c at pixel (u, v). All regions of all images
are fitted at once: sums over regions are scattered, the 3 x 3 systems are solved in closed form.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from vergence.geometry.blocks import cache_blocks

SOFTNESS = 1.5
"""Residuals of this many scales weigh a quarter."""
LEAST_SCALE = 0.002
RIDGE = 1e-6
INLIER_SHARE = 0.6
LEAST_PIXELS = 6
"""Reliable pixels that a plane is fitted to, at least."""
LEAST_VARIANCE = 0.15
"""Pixels squared, across a region's long side: 0 for a line, 0.125 for a diagonal staircase, 0.25 for two lines."""

FIRST_COLUMNS = {1: (0,), 2: (0, 1), 3: (0, 2, 1), 4: (0, 2, 1, 3)}
"""First columns of the rows in turn, by step, in a lattice that leaves out pixels."""


class PlaneFits(NamedTuple):
    """Planes of all regions."""

    theta: Tensor  # (B, R, 3): value = theta . (x / W - 1/2, y / H - 1/2, 1)
    ok: Tensor  # (B, R) bool: enough pixels that are no line, and most of them on the plane


@lru_cache(maxsize=16)
def pixel_lattice(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Flat indices (n,) of one pixel in ``stride`` (1 to 4) of each row, such that every column is met, too."""
    y, x = torch.arange(height)[:, None], torch.arange(width)
    first = torch.tensor(FIRST_COLUMNS[stride])[y % stride]
    return ((x - first) % stride == 0).flatten().nonzero()[:, 0].to(device)


def below_median(error: Tensor, regions: Tensor, count: int) -> Tensor:
    """Bool (B, M, n): pixels whose error is at most the median of their region (the lower one, as torch.median).

    error: (B, n); regions: (B, M, n) int64, M ways to divide the same pixels, ids below ``count``, -1 for none.
    """
    number = error.shape[1]
    slot = torch.where(regions < 0, count, regions)
    ascending, order = error.sort(dim=1)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(number, device=order.device).expand_as(order))
    ordered = (slot * number + rank[:, None]).sort(dim=2).values  # by region, then by error
    counts = torch.zeros(*slot.shape[:2], count + 1, dtype=torch.long, device=slot.device)
    counts.scatter_add_(2, slot, torch.ones_like(slot))
    middle = counts.cumsum(2) - counts + (counts - 1).clamp(min=0) // 2
    ranks = ordered.gather(2, middle.clamp(max=number - 1)) % number
    median = ascending.gather(1, ranks.flatten(1)).view_as(ranks)
    return (error[:, None] <= median.gather(2, slot)) & (regions >= 0)


def fit_sampled(
    q: Tensor, regions: Tensor, count: int, reliable: Tensor, sample: Tensor, height: int, width: int, rounds: int = 5
) -> PlaneFits:
    """Re-weighted least squares of q = theta . (x / W - 1/2, y / H - 1/2, 1) in every region, at chosen pixels.

    Weights are ``reliable`` / (1 + (residual / 1.5 s)^2)^2 with s the mean absolute residual of reliable pixels, at
    least 0.002. A plane is ok if more than 60 % of the region's pixels satisfy |residual| < 0.05 q + 0.025, if at least
    6 are reliable, and if the region is wider than a line. Coordinates are centred and scaled in each region.

    Args:
        q: (B, n) inverse depth with mean 1.
        regions: (B, n) int64, ids below ``count``, -1 for none.
        reliable: (B, n) bool: pixels to fit to.
        sample: (n,) flat indices of the pixels in a picture of ``height`` and ``width`` (:func:`pixel_lattice`).
        rounds: of re-weighting.
    """
    x = (sample % width).to(q.dtype)
    y = sample.div(width, rounding_mode="floor").to(q.dtype)
    theta, ok = q.new_empty(q.shape[0], count, 3), reliable.new_empty(q.shape[0], count)
    for block in cache_blocks(q):
        regional = _Regions(regions[block], count)
        theta[block], ok[block] = _fit(q[block], x, y, regional, reliable[block].to(q.dtype), rounds, height, width)
    return PlaneFits(theta, ok)


class _Regions:
    """Sums over regions of a block of b images, and regional values at pixels; pixels of no region go to a last bin."""

    def __init__(self, regions: Tensor, count: int) -> None:
        batch, self.count = regions.shape[0], count
        slot = torch.where(regions < 0, count, regions)
        self.inside = regions >= 0
        self.slot = (slot + torch.arange(batch, device=slot.device)[:, None] * (count + 1)).flatten()
        self.batch, self.shape = batch, regions.shape

    def sums(self, columns: Tensor) -> Tensor:
        """(k, b, n) -> (k, b * (count + 1))"""
        out = columns.new_zeros(columns.shape[0], self.batch * (self.count + 1))
        return out.scatter_add_(1, self.slot.expand(columns.shape[0], -1), columns.flatten(1))

    def at_pixels(self, values: Tensor) -> Tensor:
        """(..., b * (count + 1)) -> (..., b, n)"""
        return values.index_select(-1, self.slot).unflatten(-1, self.shape)  # a quarter of the time of values[slot]

    def listed(self, values: Tensor) -> Tensor:
        """(b * (count + 1)) -> (b, count)"""
        return values.view(self.batch, -1)[:, : self.count]


def _fit(
    q: Tensor, x: Tensor, y: Tensor, regions: _Regions, reliable: Tensor, rounds: int, height: int, width: int
) -> tuple[Tensor, Tensor]:
    ones = torch.ones_like(q)
    x, y = x.expand_as(q), y.expand_as(q)
    number, sum_x, sum_y, trusted = regions.sums(torch.stack((ones, x, y, reliable)))
    pixels = number.clamp(min=1)
    mean_x, mean_y = sum_x / pixels, sum_y / pixels
    x, y = x - regions.at_pixels(mean_x), y - regions.at_pixels(mean_y)
    xx, xy, yy = regions.sums(torch.stack((x * x, x * y, y * y))) / pixels
    across = (xx + yy - ((xx - yy).square() + 4 * xy.square()).sqrt()) / 2  # the smaller variance, any direction
    size = (xx + yy).clamp(min=LEAST_VARIANCE).rsqrt()
    spread = regions.at_pixels(size)
    x, y = x * spread, y * spread

    basis = torch.stack((x, y, ones))
    terms = torch.cat((ones[None], torch.stack((x * x, y * y, x * y)), basis[:2]))
    weight, known = reliable, trusted.clamp(min=1)
    ridge, theta = RIDGE * known, q.new_zeros(3, len(known))
    residual = q
    for turn in range(rounds + 1):  # what is left is fitted: rounding of large sums does not stay
        theta += _solve(regions.sums(torch.cat((terms * weight, basis * (weight * residual)))), ridge)
        by_x, by_y, by_one = regions.at_pixels(theta).mul_(basis)
        residual = (q - by_x).sub_(by_y).sub_(by_one)
        if turn < rounds:
            scale = (regions.sums((residual.abs() * reliable)[None])[0] / known).clamp_(min=LEAST_SCALE)
            ratio = residual * regions.at_pixels(1 / (SOFTNESS * scale))
            weight = reliable / ratio.square_().add_(1).square_()
    agreeing = regions.sums((residual.abs() < 0.05 * q + 0.025).to(q.dtype)[None])[0]
    ok = (agreeing > INLIER_SHARE * number) & (trusted >= LEAST_PIXELS) & (across >= LEAST_VARIANCE)
    a, b = theta[:2] * size  # per pixel; then per frame, from its middle
    c = theta[2] + a * (width / 2 - mean_x) + b * (height / 2 - mean_y)
    theta = torch.stack([regions.listed(part) for part in (a * width, b * height, c)], dim=-1)
    ok = regions.listed(ok) & theta.isfinite().all(dim=-1)
    return theta.masked_fill(~ok[..., None], 0), ok


def _solve(sums: Tensor, ridge: Tensor) -> Tensor:
    """Symmetric 3 x 3 systems from sums (9, R) of (1, xx, yy, xy, x, y, xq, yq, q): (3, R), of x, y and 1.

    The constant is eliminated, then 2 x 2; ``sums`` are overwritten.
    """
    diagonal, xy, slopes, right, q = sums[1:3], sums[3], sums[4:6], sums[6:8], sums[8]
    sums[:3] += ridge
    mean = slopes / sums[0]
    diagonal -= mean * slopes
    xy -= mean[0] * slopes[1]
    right -= mean * q
    determinant = (diagonal[0] * diagonal[1] - xy * xy).clamp_(min=torch.finfo(q.dtype).tiny)
    slope = (diagonal.flip(0) * right - xy * right.flip(0)) / determinant
    by_x, by_y = mean * slope
    return torch.cat((slope, (q / sums[0] - by_x - by_y)[None]))


def plane_values(theta: Tensor, regions: Tensor) -> Tensor:
    """Planes (B, R, 3) at the pixels of their regions (B, H, W) int64; 0 where there is none (-1)."""
    if theta.dim() != 3 or theta.shape[-1] != 3 or regions.dim() != 3 or theta.shape[0] != regions.shape[0]:
        raise ValueError(
            f"theta has shape {tuple(theta.shape)}, regions {tuple(regions.shape)}; expected (B, R, 3) and (B, H, W)"
        )
    height, width = regions.shape[-2:]
    slot = regions.clamp(min=0).flatten(1)
    a, b, c = (theta[..., part].contiguous().gather(1, slot).view(regions.shape) for part in range(3))
    u = torch.arange(width, device=theta.device, dtype=theta.dtype) / width - 0.5
    v = torch.arange(height, device=theta.device, dtype=theta.dtype)[:, None] / height - 0.5
    return torch.where(regions >= 0, (a * u).addcmul_(b, v).add_(c), 0)
