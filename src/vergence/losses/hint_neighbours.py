"""Hints from neighbours of the same class: their inverse depth carried along its slope (specification 2.6, F3)."""

import torch
from torch import Tensor

OFFSETS = (-20, -8, -3, 3, 8, 20)


def shifted(x: Tensor, dy: int, dx: int, fill: float) -> Tensor:
    """y with y[..., v, u] = x[..., v + dy, u + dx], ``fill`` where that lies outside.

    Example:
        >>> shifted(torch.tensor([[1, 2, 3]]), dy=0, dx=1, fill=0).tolist()
        [[2, 3, 0]]
    """
    out = torch.full_like(x, fill)
    height, width = x.shape[-2:]
    if abs(dy) < height and abs(dx) < width:
        rows = slice(max(-dy, 0), height - max(dy, 0))
        columns = slice(max(-dx, 0), width - max(dx, 0))
        inside = x[..., max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        out[..., rows, columns] = inside
    return out


def slopes(q: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes of q (B, 1, H, W) per pixel in x and y: median of one- and two-pixel differences inside the label.

    NaN where no such neighbour has the label (B, H, W) of the pixel.
    """
    medians = []
    for dy, dx in ((0, 1), (1, 0)):
        differences = []
        for step in (-2, -1, 1, 2):
            value = (shifted(q, step * dy, step * dx, torch.nan) - q) / step
            same = shifted(labels, step * dy, step * dx, -1) == labels
            differences.append(torch.where(same[:, None], value, torch.nan))
        medians.append(torch.cat(differences, dim=1).nanmedian(dim=1, keepdim=True).values)
    return medians[0], medians[1]


def neighbour_candidates(q: Tensor, labels: Tensor) -> Tensor:
    """q(p + o) - slope(p + o) . o from pixels of the same label 3, 8 and 20 away in x and y.

    q (B, 1, H, W), labels (B, H, W) int64 -> (B, 12, H, W), NaN where the label differs.
    """
    by_x, by_y = slopes(q, labels)
    candidates = []
    for dy, dx, slope in ((0, 1, by_x), (1, 0, by_y)):
        for step in OFFSETS:
            carried = shifted(q - slope * step, step * dy, step * dx, torch.nan)
            same = shifted(labels, step * dy, step * dx, -1) == labels
            candidates.append(torch.where(same[:, None], carried, torch.nan))
    return torch.cat(candidates, dim=1)
