"""Hints that pull depth edges onto label edges (Zhu et al., "The Edge of Depth", CVPR 2020; specification 2.6, F4).

Depth is sampled at displaced positions around every match of a depth edge pixel o with a label edge pixel s. A match
acts through its difference s - o alone, so that all matches of one difference are one convolution; there are 105
differences, and the convolutions are products of spectra.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH_EDGE = 0.011
LABEL_EDGE = 0.6
REACH_X, REACH_Y = 7, 3
THINNING = 5
RADIUS = 20
FALL_OFF = 1.9
NEAREST = 1.6
ROLL_OFF, HALF_WAY = 12 / 0.7, 1.35


def match_displacement(p: Tensor, o: Tensor, s: Tensor) -> Tensor:
    """Displacement of the sampling position of p by one match: all (..., 2), pixels (x, y).

    With r = 2 o - s and a = (p - r).(s - r) / |s - r|^2: -w(a) / 2 of the projection of p - r on s - o, where w is 0
    up to a = 0, 1 up to a = 1 and falls off as a sigmoid beyond. 0 where o = s.
    """
    along, from_r = s - o, p - (2 * o - s)
    squared = along.square().sum(dim=-1, keepdim=True)
    safe = squared.clamp(min=1)
    projected = (from_r * along).sum(dim=-1, keepdim=True) / safe
    a = projected / 2
    weight = torch.where(a <= 1, (a > 0).to(a.dtype), torch.sigmoid(-ROLL_OFF * (a - HALF_WAY)))
    return torch.where(squared > 0, -0.5 * weight * projected * along, 0)


def edge_strength(x: Tensor) -> Tensor:
    """|Sobel_x| + |Sobel_y| of (B, 1, H, W), borders replicated."""
    difference = torch.arange(-1, 2, dtype=x.dtype, device=x.device)
    smooth = 2 - difference.abs()
    kernels = torch.stack((smooth[:, None] * difference, difference[:, None] * smooth))[:, None]
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels).abs().sum(dim=1, keepdim=True)


def edge_matches(depth_edges: Tensor, label_edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest label edge pixel within +-7 x +-3 of every depth edge pixel, at most one match in a block of 5 x 5.

    Both (B, H, W) bool. Returns matched (B, H, W) bool, and dx, dy (B, H, W) int64 of s - o.
    """
    height, width = depth_edges.shape[-2:]
    padded = F.pad(label_edges.float()[:, None], (REACH_X, REACH_X, REACH_Y, REACH_Y))
    windows = F.unfold(padded, (2 * REACH_Y + 1, 2 * REACH_X + 1)).view(len(depth_edges), -1, height, width)
    dx, dy = differences(depth_edges.device)
    distance = (dx.square() + dy.square()).float()[:, None, None]
    nearest, index = torch.where(windows > 0, distance, torch.inf).min(dim=1)
    matched = depth_edges & nearest.isfinite()
    # one in a block: the shortest, ties by place
    raster = torch.arange(height * width, device=dx.device, dtype=torch.float64).view(1, height, width)
    order = torch.where(matched, -(nearest.double() + raster / (height * width)), -torch.inf)
    best = F.max_pool2d(order[:, None], THINNING, THINNING, ceil_mode=True)
    best = best.repeat_interleave(THINNING, 2).repeat_interleave(THINNING, 3)[:, 0, :height, :width]
    matched = matched & (order == best)
    return matched, dx[index], dy[index]


def differences(device: torch.device) -> tuple[Tensor, Tensor]:
    """All differences s - o that a match can have, (105,) each, row by row."""
    y, x = torch.meshgrid(
        torch.arange(-REACH_Y, REACH_Y + 1, device=device),
        torch.arange(-REACH_X, REACH_X + 1, device=device),
        indexing="ij",
    )
    return x.flatten(), y.flatten()


@lru_cache(maxsize=4)
def _match_kernels(device: torch.device) -> Tensor:
    """What a match of each difference (105) gives to the pixels around it: weight times displacement, and the weight.

    (105, 3, 41, 41), 2 MB.
    """
    step = torch.arange(-RADIUS, RADIUS + 1, device=device, dtype=torch.float32)
    p = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1)  # of p - o; rows are y
    weight = (torch.linalg.vector_norm(p, dim=-1, keepdim=True) + NEAREST).pow(-FALL_OFF)
    s = torch.stack(differences(device), dim=-1).float()[:, None, None]
    moved = match_displacement(p, torch.zeros_like(s), s)
    return torch.cat((moved * weight, weight.expand(len(s), -1, -1, 1)), dim=-1).permute(0, 3, 1, 2)


def morph_field(matched: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Mean displacement (B, 2, H, W) of matches within 20 pixels, weighted by (distance + 1.6)^-1.9; 0 without one.

    The distance is that between the pixel and the depth edge pixel o.
    """
    height, width = matched.shape[-2:]
    padded = (height + 2 * RADIUS, width + 2 * RADIUS)
    kernels, across = _match_kernels(matched.device), torch.arange(-REACH_X, REACH_X + 1, device=matched.device)
    total = torch.zeros(len(matched), 3, padded[0], padded[1] // 2 + 1, dtype=torch.complex64, device=matched.device)
    columns = matched[:, None] & (dx[:, None] == across[:, None, None])
    for row, kernel in enumerate(kernels.split(len(across))):  # a seventh at a time: a tenth of the memory
        spectra = torch.fft.rfft2((columns & (dy == row - REACH_Y)[:, None]).float(), s=padded)
        total += torch.einsum("bkhw,kchw->bchw", spectra, torch.fft.rfft2(kernel, s=padded))
    field = torch.fft.irfft2(total, s=padded)[..., RADIUS : RADIUS + height, RADIUS : RADIUS + width]
    known = field[:, 2:] > 1e-4  # the least weight of one match is 0.0015
    return torch.where(known, field[:, :2] / field[:, 2:].clamp(min=1e-4), 0)


def border_candidates(q: Tensor, foreground: Tensor) -> Tensor:
    """q (B, 1, H, W) with its edges pulled onto the outline of the foreground (B, H, W) bool; NaN where nothing moves.

    Depth edges: where q over its largest value changes by more than 0.011 a pixel (the Sobel sum is 8 times that), so
    that ground seen at a slant is no edge.
    """
    relative = q / q.amax(dim=(2, 3), keepdim=True).clamp(min=1e-12)
    depth_edges = edge_strength(relative)[:, 0] > 8 * DEPTH_EDGE
    label_edges = edge_strength(foreground.to(q.dtype)[:, None])[:, 0] > LABEL_EDGE
    field = morph_field(*edge_matches(depth_edges, label_edges))
    height, width = q.shape[-2:]
    x = torch.arange(width, device=q.device) + field[:, 0]
    y = torch.arange(height, device=q.device)[:, None] + field[:, 1]
    grid = torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), dim=-1)
    moved = F.grid_sample(q, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return torch.where((field.abs().amax(dim=1, keepdim=True) > 0.05), moved, torch.nan)
