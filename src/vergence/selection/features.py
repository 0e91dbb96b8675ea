"""Frames as points: pooled decoder features, standardised by channel, in memory or on disk (Three Ways, 5.1)."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POOLED = (4, 8)
"""Rows and columns that decoder features are averaged to."""
_BLOCK_BYTES = 64 * 2**20
_MEMORY_BYTES = 4 * 2**30
_OTHERS = 512


def pooled_features(maps: Tensor, size: tuple[int, int] = POOLED) -> Tensor:
    """Adaptive average of feature maps (B, C, h, w) as rows (B, C * 4 * 8), channel by channel."""
    if maps.ndim != 4:
        raise ValueError(f"feature maps have shape {tuple(maps.shape)}, expected (B, C, h, w)")
    return torch.nn.functional.adaptive_avg_pool2d(maps, size).flatten(1)


class FeatureSpace:
    """N points (N, D) and Euclidean distances between them; rows are moved and scaled when they are read.

    Points that fit into ``memory`` are held there, on the device, in float32; others are read anew for each distance,
    block by block.

    Args:
        array: (N, D) float16 or float32, perhaps a memory map.
        shift, scale: (D,) or None; a point is (row - shift) * scale.
        device: where distances are computed.
        memory: bytes that may be held.
    """

    def __init__(
        self,
        array: NDArray[np.floating],
        shift: NDArray[np.float32] | None = None,
        scale: NDArray[np.float32] | None = None,
        device: str | torch.device = "cpu",
        memory: int = _MEMORY_BYTES,
    ) -> None:
        if array.ndim != 2:
            raise ValueError(f"features have shape {array.shape}, expected (N, D)")
        self.array, self.device = array, torch.device(device)
        self._shift, self._scale = (None if x is None else torch.from_numpy(x).to(self.device) for x in (shift, scale))
        self._step = max(1, _BLOCK_BYTES // (4 * array.shape[1]))
        self._points: Tensor | None = None
        if 4 * array.size <= memory:
            points = torch.empty(array.shape, dtype=torch.float32, device=self.device)
            for start, block in self._read_blocks():
                points[start : start + len(block)] = block
            self._points = points
        norms = [torch.linalg.vector_norm(block, dim=1).square() for _, block in self.blocks()]  # without a copy
        self._norms = torch.cat(norms) if norms else torch.zeros(0, device=self.device)
        largest = float(self._norms.max()) if len(self._norms) else 0.0
        self.slack = 8 * torch.finfo(torch.float32).eps * array.shape[1] ** 0.5 * largest
        """Bound of the rounding error of :meth:`squared`."""

    @classmethod
    def standardised(cls, array: NDArray[np.floating], channels: int, device: str | torch.device = "cpu",
                     memory: int = _MEMORY_BYTES) -> "FeatureSpace":  # fmt: skip
        """Every channel (D / channels neighbouring columns) has mean 0 and unbiased standard deviation 1 over all rows.

        A channel that is the same everywhere tells nothing and counts nothing.
        """
        mean, deviation = channel_statistics(array, channels)
        scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        cells = array.shape[1] // channels
        shift, scale = (np.repeat(x, cells).astype(np.float32) for x in (mean, scale))
        return cls(array, shift, scale, device, memory)

    def __len__(self) -> int:
        return len(self.array)

    def points(self, rows: Sequence[int] | NDArray[np.integer] | Tensor) -> Tensor:
        """Points (n, D) float32."""
        if self._points is not None:
            return self._points[torch.as_tensor(rows, device=self.device)]
        return self._as_points(self.array[np.asarray(torch.as_tensor(rows).cpu())])

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All points in turn, as (first row, (n, D) float32)."""
        if self._points is not None:
            yield 0, self._points
        else:
            yield from self._read_blocks()

    def squared(self, others: Tensor, rows: Tensor | None = None) -> Tensor:
        """Squared distances (n,) float32 of rows, default all, to the nearest of points (m, D), up to :attr:`slack`."""
        points = others.float()
        norms = torch.linalg.vector_norm(points, dim=1).square()
        if rows is None:
            squares = [_apart(block, points, norms) for _, block in self.blocks()]
            return torch.cat(squares).add_(self._norms)
        squares = [_apart(self.points(piece), points, norms) for piece in rows.split(self._step)]
        return torch.cat(squares).add_(self._norms[rows])

    def gather(self, rows: Tensor) -> Tensor:
        """Points (n, D) float64."""
        return self.points(rows).double()

    def between(self, points: Tensor, others: Tensor) -> Tensor:
        """Distances (n, m) float64 of points (n, D) and (m, D), by differences: of equal points exactly 0."""
        return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")

    def exact(self, rows: Tensor, others: Tensor) -> Tensor:
        """Distances (n, m) float64 between rows."""
        return self.between(self.gather(rows), self.gather(others))

    def _read_blocks(self) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, len(self.array), self._step):
            yield start, self._as_points(self.array[start : start + self._step])

    def _as_points(self, rows: NDArray[np.floating]) -> Tensor:
        points = torch.from_numpy(np.array(rows)).to(self.device).float()
        if self._shift is not None:
            points = points.sub_(self._shift)
        return points if self._scale is None else points.mul_(self._scale)


def _apart(block: Tensor, points: Tensor, norms: Tensor) -> Tensor:
    """Squared distances (n,) of points to the nearest of others, less their own norms, a few others at a time."""
    pieces = zip(points.split(_OTHERS), norms.split(_OTHERS), strict=True)
    nearest = [torch.addmm(norm, block, some.T, alpha=-2).amin(1) for some, norm in pieces]
    return torch.stack(nearest).amin(0)


def channel_statistics(array: NDArray[np.floating], channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and unbiased standard deviation (C,) of the channels of (N, C * places) over all rows and places."""
    rows, columns = array.shape
    if columns % channels:
        raise ValueError(f"features have {columns} columns, expected a multiple of {channels} channels")
    cells = columns // channels
    count = rows * cells
    step = max(1, _BLOCK_BYTES // (8 * columns))
    blocks = [slice(start, start + step) for start in range(0, rows, step)]
    read = (array[block].astype(np.float64).reshape(-1, channels, cells) for block in blocks)
    mean = sum((block.sum((0, 2)) for block in read), np.zeros(channels)) / max(1, count)
    read = (array[block].astype(np.float64).reshape(-1, channels, cells) for block in blocks)
    squares = sum((np.square(block - mean[:, None]).sum((0, 2)) for block in read), np.zeros(channels))
    return mean, np.sqrt(squares / max(1, count - 1))
