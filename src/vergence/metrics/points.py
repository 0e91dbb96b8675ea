"""Point error: how far tracked points land from where a hand has marked them (SemHint-MD specification, 2.13)."""

from typing import NamedTuple

import torch
from torch import Tensor


class PointError(NamedTuple):
    """Pixel distances between tracked and marked points."""

    mean: float
    """NaN where nothing was compared."""
    std: float
    """Standard deviation of the population: divided by the count."""
    compared: int
    """Marked places, each a point in a frame, at which the point was tracked."""
    lost: int
    """Marked places at which it was not; they are in neither mean nor std."""

    def __str__(self) -> str:
        text = f"{self.mean:.1f} ({self.std:.1f}) px of {self.compared}"
        return f"{text}, {self.lost} lost" if self.lost else text


class PointErrors(NamedTuple):
    """Errors of all points, and of those inside and on the borders of tissues."""

    all: PointError
    inner: PointError
    border: PointError
    per_point: Tensor
    """(P,) float64, each point's mean over its frames; NaN where it was never compared."""


def project_points(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Pixels (..., 2) of points (..., 3) in camera axes, x right, y down, z forward; NaN behind the camera.

    Args:
        points: in any unit, such as tracked surfels.
        intrinsics: (3, 3) in pixels.

    Example:
        >>> K = torch.tensor([[100.0, 0.0, 50.0], [0.0, 100.0, 40.0], [0.0, 0.0, 1.0]])
        >>> project_points(torch.tensor([0.1, 0.2, 1.0]), K)
        tensor([60.0000, 60.0000], dtype=torch.float64)
    """
    if points.shape[-1] != 3 or intrinsics.shape != (3, 3):
        raise ValueError(
            f"expected points (..., 3) and intrinsics (3, 3), got {tuple(points.shape)}, {tuple(intrinsics.shape)}"
        )
    seen = points.double() @ intrinsics.to(points.device).double().T
    depth = seen[..., 2:]
    return torch.where(depth > 0, seen[..., :2] / torch.where(depth > 0, depth, 1), torch.nan)


def point_errors(tracked: Tensor, marked: Tensor, visible: Tensor, border: Tensor | None = None) -> PointErrors:
    """Pixel distances between tracked and marked points, over all places that are marked as visible.

    A place is one point in one frame: all places weigh the same, so that a point seen more often counts more.

    Args:
        tracked: (T, P, 2) pixels of T frames and P points; not finite where the tracker has lost the point.
        marked: (T, P, 2) pixels, of the same image size.
        visible: (T, P) bool: where the hand could see the point.
        border: (P,) bool: points on the border of a tissue; default none.

    Raises:
        ValueError: wrong shapes, or a visible place without a marked position.

    Example:
        >>> marked, visible = torch.zeros(2, 1, 2), torch.tensor([[True], [True]])
        >>> print(point_errors(torch.tensor([[[3.0, 4.0]], [[torch.nan, 0.0]]]), marked, visible).all)
        5.0 (0.0) px of 1, 1 lost
    """
    frames, points = marked.shape[:2] if marked.ndim == 3 else (0, 0)
    shapes = (tracked.shape, marked.shape, visible.shape)
    if shapes != ((frames, points, 2), (frames, points, 2), (frames, points)):
        raise ValueError(f"expected (T, P, 2), (T, P, 2) and (T, P), got {', '.join(str(tuple(s)) for s in shapes)}")
    on_border = torch.zeros(points, dtype=torch.bool) if border is None else border.cpu().bool()
    if on_border.shape != (points,):
        raise ValueError(f"expected border ({points},), got {tuple(on_border.shape)}")
    visible, marked = visible.cpu().bool(), marked.cpu().double()
    if not marked[visible].isfinite().all():
        raise ValueError("a place is visible and has no marked position")
    distance = (tracked.cpu().double() - marked).norm(dim=-1)
    groups = (torch.ones_like(on_border), ~on_border, on_border)
    compared = visible & distance.isfinite()
    per_point = torch.where(compared, distance, torch.nan).nanmean(dim=0)
    every, inner, edge = (_error(distance[:, group], visible[:, group]) for group in groups)
    return PointErrors(every, inner, edge, per_point)


def _error(distance: Tensor, visible: Tensor) -> PointError:
    errors = distance[visible]
    tracked = errors[errors.isfinite()]
    lost = len(errors) - len(tracked)
    if not len(tracked):
        return PointError(float("nan"), float("nan"), 0, lost)
    return PointError(float(tracked.mean()), float(tracked.std(correction=0)), len(tracked), lost)
