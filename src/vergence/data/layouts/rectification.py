"""Rectification of a calibrated stereo pair: undistorted, rows aligned, one camera matrix for both."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from vergence.data.structured import read_json, read_opencv_matrices
from vergence.errors import InputError

Array = NDArray[np.float64]
_SHAPES = {"KL": (3, 3), "DL": (5,), "KR": (3, 3), "DR": (5,), "R": (3, 3), "T": (3,)}
_YAML_NAMES = {"KL": "M1", "DL": "D1", "KR": "M2", "DR": "D2", "R": "R", "T": "T"}


@dataclass(frozen=True)
class StereoCalibration:
    """Two cameras with OpenCV's distortion (k1, k2, p1, p2, k3); X_right = R X_left + T."""

    KL: Array
    DL: Array
    KR: Array
    DR: Array
    R: Array
    T: Array
    """In the unit of the file."""

    def text(self) -> str:
        """All numbers, to tell one calibration from another."""
        return json.dumps({field.name: getattr(self, field.name).tolist() for field in dataclasses.fields(self)})


def read_stereo_calibration(path: Path) -> StereoCalibration:
    """Read SCARED's ``frame_data*.json`` ("camera-calibration") or OpenCV's ``endoscope_calibration.yaml``.

    In the latter, matrices are called KL, DL, KR, DR or M1, D1, M2, D2. InputError where one is missing or odd.
    """
    try:
        stored = read_json(path)["camera-calibration"] if path.suffix.lower() == ".json" else read_opencv_matrices(path)
        matrices = {}
        for name, shape in _SHAPES.items():
            values = np.array(stored[name] if name in stored else stored[_YAML_NAMES[name]], dtype=np.float64).ravel()
            if name in ("DL", "DR"):
                values = np.pad(values, (0, max(0, 5 - len(values))))[:5]
            matrices[name] = values.reshape(shape)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no calibration of two cameras ({error!r}); unpack it again.") from error
    if not all(np.isfinite(values).all() for values in matrices.values()) or not np.linalg.norm(matrices["T"]) > 0:
        raise InputError(f"{path} has numbers that are not finite, or no distance between the cameras; correct it.")
    return StereoCalibration(**matrices)


@dataclass(frozen=True)
class Rectification:
    """What turns raw frames of one size into rectified ones of the same size."""

    K: Array
    """(3, 3), of both rectified cameras."""
    left: Array
    """(3, 3), left camera axes to rectified ones."""
    right: Array
    baseline: float
    """x of the right camera in the left rectified one, in the calibration's unit."""
    left_grid: torch.Tensor
    """(1, H, W, 2), where ``grid_sample`` reads the raw left frame."""
    right_grid: torch.Tensor

    @classmethod
    def of(cls, cameras: StereoCalibration, height: int, width: int) -> "Rectification":
        """Half a turn for each camera: x along the baseline, z halfway between both optical axes."""
        centre = -cameras.R.T @ cameras.T
        x = centre / np.linalg.norm(centre) * np.sign(centre[0] or 1)
        forward = np.array([0.0, 0.0, 1.0]) + cameras.R.T[:, 2]
        y = np.cross(forward, x)
        y /= np.linalg.norm(y)
        left = np.stack([x, y, np.cross(x, y)])
        both = (cameras.KL + cameras.KR) / 2
        focal = (both[0, 0] + both[1, 1]) / 2
        K = np.array([[focal, 0, both[0, 2]], [0, focal, both[1, 2]], [0, 0, 1]])
        right = left @ cameras.R.T
        grids = [_grid(K, turn, raw, bend, height, width) for turn, raw, bend in
                 ((left, cameras.KL, cameras.DL), (right, cameras.KR, cameras.DR))]  # fmt: skip
        return cls(K, left, right, float(left[0] @ centre), *grids)

    def image(self, raw: NDArray[np.uint8], side: str) -> NDArray[np.uint8]:
        """A raw frame (H, W, 3), rectified, bilinear; black where the raw one does not reach."""
        grid = self.left_grid if side == "left" else self.right_grid
        if raw.shape[:2] != tuple(grid.shape[1:3]):
            raise ValueError(f"frame of {raw.shape[:2]}, expected {tuple(grid.shape[1:3])}")
        values = torch.from_numpy(raw).permute(2, 0, 1)[None].float()
        rectified = F.grid_sample(values, grid, mode="bilinear", align_corners=True)
        return rectified[0].round().byte().permute(1, 2, 0).numpy()

    def depth(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Depth (H, W) of points (h, w, 3) in raw left axes, in their unit; 0 = none, the nearest point wins."""
        height, width = self.left_grid.shape[1:3]
        flat = points.reshape(-1, 3).astype(np.float64)
        turned = flat[np.isfinite(flat).all(axis=1) & (flat[:, 2] > 0)] @ self.left.T
        turned = turned[turned[:, 2] > 0]
        pixels = np.rint((turned @ self.K.T)[:, :2] / turned[:, 2:]).astype(np.int64)
        inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
        depth, (column, row) = turned[inside, 2], pixels[inside].T
        order = np.argsort(-depth, kind="stable")  # written last = nearest
        depth_map = np.zeros((height, width), dtype=np.float32)
        depth_map[row[order], column[order]] = depth[order]
        return depth_map


def _grid(K: Array, turn: Array, raw: Array, bend: Array, height: int, width: int) -> torch.Tensor:
    """Places in a raw frame, -1 to 1, of the pixels of its rectified one."""
    v, u = np.mgrid[:height, :width].astype(np.float64)
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1) @ turn
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    k1, k2, p1, p2, k3 = bend
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    columns, rows = raw[0, 0] * bent_x + raw[0, 1] * bent_y + raw[0, 2], raw[1, 1] * bent_y + raw[1, 2]
    grid = np.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], axis=-1)
    return torch.from_numpy(grid.astype(np.float32))[None]
