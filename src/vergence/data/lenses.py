"""Frames of lenses that bend: pictures, labels and depth as the pinhole camera of their row sees them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.rows.frame_row import FrameRow
from vergence.geometry.camera import Camera
from vergence.geometry.distortion import Lens, parse_lens, stored_pixels, straight_pixels


@dataclass(frozen=True)
class Straightening:
    """What turns a stored map of one size into that of the row's pinhole camera, of the same size.

    The camera is such that the straightened map is full: see
    :func:`vergence.geometry.distortion.straight_camera`.
    """

    lens: Lens
    stored: Camera
    straight: Camera
    grid: Tensor
    """(1, H, W, 2), where ``grid_sample`` reads the stored map."""

    def image(self, image: Image.Image) -> Image.Image:
        """An RGB picture, bilinear."""
        values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        straight = F.grid_sample(values, self.grid, mode="bilinear", padding_mode="border", align_corners=True)
        return Image.fromarray(straight[0].round().byte().permute(1, 2, 0).numpy())

    def label(self, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Class ids (H, W), by the nearest neighbour."""
        rows, columns = self._nearest()
        return ids[rows, columns]

    def depth(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth (H, W) along the optical axis, which stays: every value is one that was measured, 0 stays "none".

        A pixel takes the measurement that it sees or, where that is a hole, the nearest point that is measured within
        it: dense maps keep their edges, sparse ones their points.
        """
        rows, columns = self._nearest()
        nearest = depth[rows, columns]
        y, x = np.nonzero(depth)
        pixels = straight_pixels(self.lens, self.stored, self.straight, np.stack([x, y], axis=-1).astype(np.float64))
        values = depth[y, x]
        inside = np.isfinite(pixels).all(axis=-1)
        column, row = np.rint(pixels[inside]).astype(np.int64).T
        values = values[inside]
        fits = (column >= 0) & (column < depth.shape[1]) & (row >= 0) & (row < depth.shape[0])
        column, row, values = column[fits], row[fits], values[fits]
        order = np.argsort(-values, kind="stable")  # written last = nearest
        points = np.zeros_like(depth)
        points[row[order], column[order]] = values[order]
        return np.where(nearest > 0, nearest, points)

    def _nearest(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        height, width = self.grid.shape[1:3]
        pixels = (self.grid[0].double().numpy() + 1) / 2 * (width - 1, height - 1)
        columns, rows = np.rint(pixels).astype(np.int64).transpose(2, 0, 1)
        return rows.clip(0, height - 1), columns.clip(0, width - 1)


def straightening(row: FrameRow, size: tuple[int, int]) -> Straightening | None:
    """What straightens maps of a frame, stored at the size (H, W); None where its lens does not bend."""
    return _made(row.lens, (row.fx, row.fy, row.cx, row.cy), *size) if row.lens else None


@lru_cache(maxsize=4)
def _made(text: str, straight: tuple[float, float, float, float], height: int, width: int) -> Straightening:
    lens, normalised = parse_lens(text)
    stored = Camera.from_normalized(*normalised, width, height)
    camera = Camera.from_normalized(*straight, width, height)
    pixels = np.stack(np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)), axis=-1)
    positions = stored_pixels(lens, stored, camera, pixels)
    positions = np.nan_to_num(positions, nan=-1e6) / (max(1, width - 1), max(1, height - 1)) * 2 - 1
    return Straightening(lens, stored, camera, torch.from_numpy(positions.astype(np.float32))[None])


def straight_image(row: FrameRow, image: Image.Image) -> Image.Image:
    """A stored picture of a row as its pinhole camera sees it: itself where the lens does not bend."""
    lens = straightening(row, (image.height, image.width))
    return image if lens is None else lens.image(image)


def straight_label(row: FrameRow, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class ids (H, W) of a stored picture, as :func:`straight_image`."""
    lens = straightening(row, (ids.shape[0], ids.shape[1]))
    return ids if lens is None else lens.label(ids)


def straight_depth(row: FrameRow, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measured depth (H, W) of a stored picture, as :func:`straight_image`."""
    lens = straightening(row, (depth.shape[0], depth.shape[1]))
    return depth if lens is None else lens.depth(depth)


def lens_mark(row: FrameRow) -> str:
    """A short text for the names of cached files that are made of a straightened frame; "" without a lens."""
    if not row.lens:
        return ""
    text = f"{row.lens}|{(row.fx, row.fy, row.cx, row.cy)}"
    return "-" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8]
