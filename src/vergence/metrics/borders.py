"""Do edges of depth lie where objects end? Distances from borders of classes to edges of predicted depth.

Source: semhint.md section 2.9, after Zhu et al., The Edge of Depth (CVPR 2020).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.camera import resize_inverse_depth

CAP = 20
"""Pixels: what is farther counts as far as this."""
TOLERANCE = 3
"""Pixels within which an edge counts as found."""
CONTRAST = 1.1
"""Smallest ratio of depths at most ``TOLERANCE`` pixels away that is an edge."""


_MARGIN = 3
"""Pixels that smoothing (twice one) and a difference reach beyond the picture."""


class BorderScores(NamedTuple):
    """How well depth follows the borders in one image; NaN where it has none."""

    distance: float
    """Mean of min(distance to the nearest edge of depth, ``CAP``) over border pixels, pixels."""
    recall: float
    """Share of border pixels with an edge within ``TOLERANCE`` pixels."""
    pixels: int
    """How many border pixels there are."""


def border_scores(inverse_depth: Tensor, foreground: Tensor, known: Tensor | None = None) -> BorderScores:
    """How far borders of objects lie from edges of depth, at the size of the labels.

    Args:
        inverse_depth: (h, w) > 0, any scale; resized bilinearly.
        foreground: (H, W) bool: pixels of objects that stand out from what is behind them.
        known: (H, W) bool: pixels that have a label; next to the others there is no border.

    >>> foreground = torch.zeros(8, 8, dtype=torch.bool)
    >>> foreground[:, 4:] = True
    >>> border_scores(1 + foreground.float(), foreground)
    BorderScores(distance=1.0, recall=1.0, pixels=8)
    """
    if inverse_depth.ndim != 2 or foreground.ndim != 2 or (known is not None and known.shape != foreground.shape):
        raise ValueError(
            f"inverse depth, foreground and known have shapes {tuple(inverse_depth.shape)}, {tuple(foreground.shape)} "
            f"and {None if known is None else tuple(known.shape)}, expected (h, w), (H, W) and (H, W)"
        )
    border = border_pixels(foreground, known)
    pixels = int(border.sum())
    if pixels == 0:
        return BorderScores(math.nan, math.nan, 0)
    edges = depth_edges(resize_inverse_depth(inverse_depth, foreground.shape))
    distance = distances(edges, border)
    return BorderScores(float(distance.mean()), float((distance <= TOLERANCE).double().mean()), pixels)


def border_pixels(foreground: Tensor, known: Tensor | None = None) -> Tensor:
    """Foreground pixels (H, W) that touch a known background pixel above, below, left or right.

    Example:
        >>> border_pixels(torch.tensor([[True, True, False]])).tolist()
        [[False, True, False]]
    """
    behind = ~foreground if known is None else known & ~foreground
    padded = F.pad(behind, (1, 1, 1, 1))
    beside = padded[1:-1, 2:] | padded[1:-1, :-2] | padded[2:, 1:-1] | padded[:-2, 1:-1]
    return foreground & beside


def depth_edges(inverse_depth: Tensor) -> Tensor:
    """Edges (H, W) bool of inverse depth (H, W): thin lines, the same for any scale of depth.

    Pixels where the gradient of the logarithm, smoothed a little, is largest along its own direction, and where depths
    within ``TOLERANCE`` pixels differ by the factor ``CONTRAST`` at least. On planes the gradient has no such maximum.
    """
    logarithm = inverse_depth.float().clamp_min(1e-6 * float(inverse_depth.max())).clamp_min(1e-30).log()[None, None]
    if min(inverse_depth.shape) <= _MARGIN:
        return torch.zeros_like(inverse_depth, dtype=torch.bool)
    highest, lowest = (_largest_around(sign * logarithm)[0, 0] for sign in (1, -1))
    weights = torch.tensor([0.25, 0.5, 0.25], device=inverse_depth.device)
    smooth = _continued(_continued(logarithm, 3), 2)
    for _ in range(2):
        smooth = F.conv2d(F.conv2d(smooth, weights.view(1, 1, 1, 3)), weights.view(1, 1, 3, 1))
    smooth = smooth[0, 0]  # (H + 2, W + 2)
    along_x, along_y = (smooth[1:-1, 2:] - smooth[1:-1, :-2]) / 2, (smooth[2:, 1:-1] - smooth[:-2, 1:-1]) / 2
    return _ridges(along_x, along_y) & (highest + lowest >= math.log(CONTRAST))


def _largest_around(values: Tensor) -> Tensor:
    """The largest value within ``TOLERANCE`` pixels along both axes."""
    window = 2 * TOLERANCE + 1
    rows = F.max_pool2d(values, (window, 1), 1, (TOLERANCE, 0))
    return F.max_pool2d(rows, (1, window), 1, (0, TOLERANCE))


def _continued(values: Tensor, dimension: int) -> Tensor:
    """Values with ``_MARGIN`` more at both ends, mirrored at a point: slopes go on, so that no edge appears there."""
    count = values.shape[dimension]
    first, last = values.narrow(dimension, 0, 1), values.narrow(dimension, count - 1, 1)
    before = 2 * first - values.narrow(dimension, 1, _MARGIN).flip(dimension)
    after = 2 * last - values.narrow(dimension, count - 1 - _MARGIN, _MARGIN).flip(dimension)
    return torch.cat((before, values, after), dimension)


def _ridges(along_x: Tensor, along_y: Tensor) -> Tensor:
    """Where a gradient (H, W), (H, W) is longer than its neighbours across the edge: one of four directions."""
    length = torch.hypot(along_x, along_y)
    padded = F.pad(length, (1, 1, 1, 1), value=torch.inf)
    height, width = length.shape
    steep, flat = math.tan(3 * math.pi / 8), math.tan(math.pi / 8)
    slope_x, slope_y = along_x.abs(), along_y.abs()
    falling = along_x * along_y > 0
    directions = {
        (0, 1): slope_y <= flat * slope_x,
        (1, 0): slope_y >= steep * slope_x,
    }
    diagonal = ~(directions[0, 1] | directions[1, 0])
    directions |= {(1, 1): diagonal & falling, (1, -1): diagonal & ~falling}
    ridge = torch.zeros_like(falling)
    for (down, right), here in directions.items():
        ahead = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        before = padded[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        ridge |= here & (length >= ahead) & (length > before)
    return ridge & (length > 0)


def distances(edges: Tensor, positions: Tensor) -> Tensor:
    """Euclidean distance (N,), at most ``CAP``, from N positions (H, W) bool to the nearest edge (H, W) bool."""
    width = edges.shape[1]
    columns = torch.arange(width, device=edges.device, dtype=torch.float64).expand(edges.shape)
    none = torch.full_like(columns, -torch.inf)
    left = columns - torch.where(edges, columns, none).cummax(1).values
    mirrored = torch.where(edges.flip(1), columns, none).cummax(1).values
    right = (columns - mirrored).flip(1)
    across = torch.minimum(left, right).clamp_max(CAP)  # to the nearest edge of the same row
    padded = F.pad(across, (0, 0, CAP, CAP), value=CAP)
    rows, column = positions.nonzero(as_tuple=True)
    offsets = torch.arange(-CAP, CAP + 1, device=edges.device)
    squared = padded[rows[:, None] + offsets + CAP, column[:, None]] ** 2 + offsets.double() ** 2
    return squared.amin(1).sqrt().clamp_max(CAP)
