"""Motions between neighbouring frames, from a run's pose network."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.manifest import Manifest
from vergence.geometry.pose import transform_from_parameters
from vergence.inference.inputs import on_device, prefetched, working_image
from vergence.runs.checkpoint import LoadedRun

_PAIRS = 8


def step_of(run: LoadedRun) -> int:
    """Frames between the images of a pair, as in training: the smallest temporal offset, 1 if there is none."""
    offsets = [abs(offset) for offset in run.config.frames.options.offsets if not isinstance(offset, str)]
    return min(offsets, default=1)


@torch.no_grad()
def predict_motions(run: LoadedRun, manifest: Manifest, track: list[int]) -> NDArray[np.float64]:
    """Transforms (N - 1, 4, 4) of points of each frame's camera to the next frame's, metres if the run knows them."""
    pose: Any = run.method.pose
    device = next(run.method.parameters()).device
    unit = run.method.metres_per_unit if run.method.scale == "metric" else 1.0
    motions = []
    for first, second in _pairs(run, manifest, track):
        images = on_device([*first, *second], device)
        axis_angle, translation, *_ = pose(torch.stack(images.chunk(2), dim=1))
        transform = transform_from_parameters(axis_angle.double(), translation.double() * unit)
        motions.append(transform.cpu().numpy())
    return np.concatenate(motions)


def _pairs(run: LoadedRun, manifest: Manifest, track: list[int]) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Images and their successors, several pairs at a time; each image is read once."""
    options = run.config.frames.options
    waiting: list[Tensor] = []
    for _, image in prefetched(lambda index: working_image(manifest, index, options), track):
        waiting.append(image)
        if len(waiting) == _PAIRS + 1:
            yield waiting[:-1], waiting[1:]
            waiting = waiting[-1:]
    if len(waiting) > 1:
        yield waiting[:-1], waiting[1:]
