"""Motion between two small grey frames: block matching refined to sub-pixel, and what a rotation explains of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BLOCK = 16
"""Pixels of a matched block's side, at every level."""
SEARCH = 8
"""Pixels searched each way at the coarsest level, a quarter of the frame's size: a tenth of its width."""
LEVELS = 3
MIN_CONTRAST = 2.0
"""Standard deviation in grey levels below which a block has nothing to match."""
MIN_CORRELATION = 0.75
MAX_BLOCKS = 60


class Motion(NamedTuple):
    """Where N blocks of the first frame are in the second one, and how many blocks were tried."""

    points: Array
    """(N, 2) x, y of the blocks' centres, pixels."""
    vectors: Array
    """(N, 2) displacement, pixels."""
    tried: int
    """Blocks with texture; those not among the N could not be found again."""


def measure_motion(first: Array, second: Array) -> Motion:
    """Displacements of textured blocks between two grey frames (H, W) in [0, 255], H and W at least 64.

    Coarse to fine: exhaustive matching of mean-free blocks at a quarter of the size, then Lucas-Kanade steps at each
    level. Blocks that do not correlate in the end are left out. Changes of brightness do not matter.
    """
    if first.shape != second.shape or first.ndim != 2 or min(first.shape) < BLOCK * 2 ** (LEVELS - 1):
        raise ValueError(f"expected two grey frames of one size, at least 64 x 64, got {first.shape}, {second.shape}")
    pyramids = _pyramid(_mean_free(first)), _pyramid(_mean_free(second))
    coarse = 2 ** (LEVELS - 1)
    centres = _grid(first.shape)
    contrast = _windows(first, centres).std(axis=(1, 2))
    centres = centres[contrast >= MIN_CONTRAST]
    centres = centres[:: max(1, round(len(centres) / MAX_BLOCKS))]
    if not len(centres):
        return Motion(centres, centres.copy(), 0)
    vectors = _match(pyramids[0][-1], pyramids[1][-1], centres / coarse)
    for level in reversed(range(LEVELS)):
        scale = 2**level
        vectors, correlation = _refine(pyramids[0][level], pyramids[1][level], centres / scale, vectors)
        if level:
            vectors = vectors * 2
    height, width = first.shape
    landed = centres + vectors
    inside = (landed > 0).all(1) & (landed < (width - 1, height - 1)).all(1)
    good = inside & (correlation >= MIN_CORRELATION)
    return Motion(centres[good], vectors[good], len(centres))


def rotation_residual(motion: Motion, focal: tuple[float, float], centre: tuple[float, float]) -> Array:
    """What no rotation of the camera explains of each displacement: (N,) pixels, from a robust fit of three angles.

    A rotation moves all depths alike; what is left needs parallax (or things that move by themselves).
    """
    x, y = ((motion.points - np.array(centre)) / np.array(focal)).T
    zero = np.zeros_like(x)
    rows_u = np.stack([x * y, -(1 + x**2), y], 1) * focal[0]
    rows_v = np.stack([1 + y**2, -x * y, -x], 1) * focal[1]
    weights = np.ones_like(zero)
    angles = np.zeros(3)
    for _ in range(8):
        root = np.sqrt(weights)[:, None]
        system = np.concatenate([rows_u * root, rows_v * root])
        right = np.concatenate([motion.vectors[:, 0] * root[:, 0], motion.vectors[:, 1] * root[:, 0]])
        angles = np.linalg.lstsq(system, right, rcond=None)[0]
        residual = np.hypot(motion.vectors[:, 0] - rows_u @ angles, motion.vectors[:, 1] - rows_v @ angles)
        weights = 1 / np.maximum(residual, 0.1)  # least absolute residuals
    return residual.astype(np.float32)


def _mean_free(frame: Array, radius: int = 12) -> Array:
    """The frame less its local mean, so that light and exposure do not matter."""
    padded = np.pad(frame.astype(np.float64), radius + 1, mode="edge")
    total = padded.cumsum(0).cumsum(1)
    side = 2 * radius + 1
    box = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    return (frame - box[: frame.shape[0], : frame.shape[1]] / side**2).astype(np.float32)


def _pyramid(frame: Array) -> list[Array]:
    levels = [frame]
    for _ in range(LEVELS - 1):
        height, width = (size // 2 * 2 for size in levels[-1].shape)
        parts = levels[-1][:height, :width].reshape(height // 2, 2, width // 2, 2)
        levels.append(parts.mean(axis=(1, 3), dtype=np.float32))
    return levels


def _grid(shape: tuple[int, ...]) -> Array:
    """Centres (N, 2) of blocks that overlap by half and lie inside at the coarsest level."""
    margin = BLOCK * 2 ** (LEVELS - 1) // 2
    height, width = shape
    x = np.arange(margin, width - margin + 1, BLOCK)
    y = np.arange(margin, height - margin + 1, BLOCK)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def _windows(frame: Array, centres: Array) -> Array:
    """Blocks (N, BLOCK, BLOCK) around centres (N, 2), bilinear, clamped at the borders."""
    offsets = np.arange(BLOCK, dtype=np.float32) - (BLOCK - 1) / 2
    height, width = frame.shape
    x = np.clip(centres[:, 0, None] + offsets, 0, width - 1.001)
    y = np.clip(centres[:, 1, None] + offsets, 0, height - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    across, down = (x - left)[:, None, :], (y - top)[:, :, None]
    rows, columns = top[:, :, None], left[:, None, :]
    upper = frame[rows, columns] * (1 - across) + frame[rows, columns + 1] * across
    lower = frame[rows + 1, columns] * (1 - across) + frame[rows + 1, columns + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def _match(first: Array, second: Array, centres: Array) -> Array:
    """Best whole-pixel displacement (N, 2) of each block within SEARCH, by the sum of absolute differences.

    The costs of all blocks on the grid are summed from cells of a quarter of a block, one row of shifts at a time.
    """
    cell = BLOCK // 4
    height, width = (size // cell * cell for size in first.shape)
    padded = np.pad(second, SEARCH, mode="edge")
    chosen = np.rint(centres / cell).astype(np.intp) - 2  # first cell of each block
    costs, shifts = [], range(-SEARCH, SEARCH + 1)
    for dy in shifts:
        strip = padded[dy + SEARCH : dy + SEARCH + height, : width + 2 * SEARCH]
        moved = np.lib.stride_tricks.sliding_window_view(strip, width, axis=1).transpose(1, 0, 2)
        difference = np.abs(first[:height, :width] - moved)
        cells = difference.reshape(len(shifts), height // cell, cell, width // cell, cell).sum((2, 4))
        blocks = np.lib.stride_tricks.sliding_window_view(cells, (4, 4), axis=(1, 2)).sum((3, 4))
        costs.append(blocks[:, chosen[:, 1], chosen[:, 0]])
    moves = np.array([(dx, dy) for dy in shifts for dx in shifts], np.float32)
    # a tiny price on length, so that of equal matches the shortest wins
    total = np.concatenate(costs) * (1 + 1e-4 * np.hypot(moves[:, 0], moves[:, 1])[:, None])
    return np.asarray(moves[total.argmin(0)])


def _refine(first: Array, second: Array, centres: Array, vectors: Array, steps: int = 4) -> tuple[Array, Array]:
    """Lucas-Kanade steps from ``vectors``; the result and the correlation (N,) of the blocks it joins."""
    down, across = np.gradient(first)
    blocks, gx, gy = (_windows(np.asarray(part, np.float32), centres) for part in (first, across, down))
    a, b, c = (gx * gx).sum((1, 2)), (gx * gy).sum((1, 2)), (gy * gy).sum((1, 2))
    ridge = 1e-3 * (a + c) + 1e-3
    a, c = a + ridge, c + ridge
    determinant = a * c - b * b
    vectors = vectors.copy()
    for _ in range(steps):
        difference = blocks - _windows(second, centres + vectors)
        p, q = (gx * difference).sum((1, 2)), (gy * difference).sum((1, 2))
        step = np.stack([(c * p - b * q) / determinant, (a * q - b * p) / determinant], 1)
        vectors += np.clip(step, -1, 1)
    moved = _windows(second, centres + vectors)
    return vectors, _correlation(blocks, moved)


def _correlation(first: Array, second: Array) -> Array:
    first = first - first.mean((1, 2), keepdims=True)
    second = second - second.mean((1, 2), keepdims=True)
    norm = np.sqrt((first**2).sum((1, 2)) * (second**2).sum((1, 2))) + 1e-6
    return np.asarray((first * second).sum((1, 2)) / norm, dtype=np.float32)
