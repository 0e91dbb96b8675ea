"""Samples of small frames."""

import dataclasses

import numpy as np
import torch

from tests.data.small_world import save
from vergence.data.dataset import FrameOptions
from vergence.data.manifest import FrameRow, Manifest
from vergence.geometry.warp import synthesize_view

SMALL = FrameOptions(height=12, width=20, flip=0.0, jitter=0.0)


def options(**changes):
    return dataclasses.replace(SMALL, **changes)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


BASELINE, DISTANCE = 0.4, 6.0


def texture(x, y):
    waves = [np.sin(9 * x + 4 * y), np.sin(7 * y - 6 * x + 1), np.cos(8 * x + 2) * np.cos(6 * y)]
    return np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def stereo_pair(tmp_path, baseline, stereo_cx):
    """Two pictures of a wall at a known distance, by cameras with pixels that are not square."""
    height, width, fx, fy, cx, cy = 96, 160, 0.8, 1.5, 0.43, 0.55
    v, u = np.mgrid[:height, :width]
    y = (v - cy * height) / (fy * height) * DISTANCE
    x = (u - cx * width) / (fx * width) * DISTANCE
    save(tmp_path / "left.png", texture(x / DISTANCE * 3, y / DISTANCE * 3))
    x = (u - stereo_cx * width) / (fx * width) * DISTANCE + baseline
    save(tmp_path / "right.png", texture(x / DISTANCE * 3, y / DISTANCE * 3))
    row = FrameRow(
        "left.png", "a", 0, fx=fx, fy=fy, cx=cx, cy=cy, stereo="right.png", baseline=baseline, stereo_cx=stereo_cx
    )
    return Manifest([row], tmp_path)


def view_error(sample, transform):
    frames, intrinsics = sample["frames"][None] / 255, sample["intrinsics"][None]
    depth = torch.full((1, 1, *frames.shape[-2:]), DISTANCE)
    warped, inside = synthesize_view(frames[:, 1:], depth, intrinsics[:, 0], intrinsics[:, 1:], transform[None, None])
    return ((warped[:, 0] - frames[:, 0]).abs() * inside[:, 0])[..., 3:-3, 3:-3].mean()
