"""Tileable grey textures with mip levels, so that no detail finer than a pixel is ever drawn (no shimmer)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

SIZE = 256
LEVELS = 9  # 256 ... 1
TILES = ("pink", "asphalt", "blocks", "streaks", "leaves", "slabs", "grass", "clouds")


class TextureSet(NamedTuple):
    """flat (tiles * stride,) float32: every tile's levels one after another; zero mean, unit deviation at level 0."""

    flat: np.ndarray
    offsets: np.ndarray
    stride: int

    def sample(
        self, tile: np.ndarray | int, u: np.ndarray, v: np.ndarray, metres: np.ndarray | float, footprint: np.ndarray
    ) -> np.ndarray:
        """Trilinear look-up (N,) float32. u, v, footprint (N,) in metres; metres: side of the tile in the world."""
        inverse = np.float32(1.0) / np.asarray(metres, np.float32)
        lod = np.log2(np.maximum(footprint * inverse * np.float32(SIZE), np.float32(1e-6)))
        np.clip(lod, 0, LEVELS - 1.001, out=lod)
        level = lod.astype(np.int32)
        fraction = lod - level
        u = u * inverse
        v = v * inverse
        base = np.asarray(tile, np.int32) * np.int32(self.stride)
        fine = self._bilinear(base, u, v, level)
        coarse = self._bilinear(base, u, v, level + 1)
        return fine + fraction * (coarse - fine)

    def _bilinear(self, base: np.ndarray, u: np.ndarray, v: np.ndarray, level: np.ndarray) -> np.ndarray:
        shift = np.int32(LEVELS - 1) - level
        size = np.left_shift(np.int32(1), shift)
        mask = size - 1
        x = u * size - np.float32(0.5)
        y = v * size - np.float32(0.5)
        x0 = np.floor(x)
        y0 = np.floor(y)
        wx = x - x0
        wy = y - y0
        i0 = x0.astype(np.int32)
        j0 = y0.astype(np.int32)
        i1 = (i0 + 1) & mask
        i0 &= mask
        start = base + self.offsets[level]
        row0 = start + np.left_shift(j0 & mask, shift)
        row1 = start + np.left_shift((j0 + 1) & mask, shift)
        flat = self.flat
        top = flat[row0 + i0]
        top += wx * (flat[row0 + i1] - top)
        bottom = flat[row1 + i0]
        bottom += wx * (flat[row1 + i1] - bottom)
        return top + wy * (bottom - top)


def _spectral(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> np.ndarray:
    """Periodic noise whose amplitude falls as frequency ** -slope; slope 1 puts equal contrast into every octave."""
    fy = np.fft.fftfreq(SIZE)[:, None] * SIZE / stretch
    fx = np.fft.fftfreq(SIZE)[None, :] * SIZE * stretch
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * radius**-slope
    spectrum[0, 0] = 0.0
    return _unit(np.fft.ifft2(spectrum).real)


def _unit(tile: np.ndarray) -> np.ndarray:
    tile = tile - tile.mean()
    return np.clip(tile / tile.std(), -2.5, 2.5)


def _blocks(rng: np.random.Generator, rows: int, columns: int, shift: bool, joint: float) -> np.ndarray:
    """Masonry: every block has its own tone, joints are dark."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    v = y * rows / SIZE
    row = v.astype(int)
    u = x * columns / SIZE + (0.5 * (row % 2) if shift else 0.0)
    column = u.astype(int) % columns
    tone = rng.standard_normal((rows, columns))[row, column]
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1) * SIZE / columns, np.minimum(v % 1, 1 - v % 1) * SIZE / rows)
    return _unit(0.8 * tone - 1.6 * (edge < joint) + 0.7 * _spectral(rng, 1.0))


@lru_cache(maxsize=4)
def texture_set(style: str, seed: int = 0) -> TextureSet:
    """The tiles of a style in the order of TILES."""
    dusk = style == "dusk"
    rng = np.random.default_rng([seed, 77, int(dusk)])
    pink = _spectral(rng, 1.0)
    patches = np.sign(_spectral(rng, 1.6)) * (np.abs(_spectral(rng, 1.5)) > 0.6)
    asphalt = _unit(0.8 * _spectral(rng, 0.85) + 0.6 * patches)
    blocks = _blocks(rng, 16 if dusk else 32, 8 if dusk else 16, True, 1.0)
    streaks = _unit(_spectral(rng, 1.0, 0.25 if dusk else 0.4) + 0.5 * _spectral(rng, 1.0))
    leaves = _unit(np.tanh(2 * _spectral(rng, 0.9)) + 0.3 * _spectral(rng, 0.6))
    slabs = _blocks(rng, 8, 8 if dusk else 16, not dusk, 1.5)
    grass = _unit(_spectral(rng, 0.8, 1.5) + np.tanh(3 * _spectral(rng, 1.3)))
    clouds = _unit(np.maximum(_spectral(rng, 1.7), -0.4))
    flats = []
    for tile in (pink, asphalt, blocks, streaks, leaves, slabs, grass, clouds):
        levels = [tile]
        while levels[-1].shape[0] > 1:
            a = levels[-1]
            levels.append(0.25 * (a[0::2, 0::2] + a[1::2, 0::2] + a[0::2, 1::2] + a[1::2, 1::2]))
        flats.append(np.concatenate([level.ravel() for level in levels]))
    sizes = [(SIZE >> k) ** 2 for k in range(LEVELS)]
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return TextureSet(np.concatenate(flats).astype(np.float32), offsets, int(sum(sizes)))
