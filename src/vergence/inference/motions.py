"""Motions between neighbouring frames, from a run's pose network."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.manifest import Manifest
from vergence.geometry.pose import transform_from_parameters
from vergence.inference.inputs import prefetched, working_image
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Maps, Predictor
from vergence.runs.checkpoint import LoadedRun

_PAIRS = 8


def step_of(run: LoadedRun) -> int:
    """Frames between the images of a pair, as in training: the smallest temporal offset, 1 if there is none."""
    offsets = [abs(offset) for offset in run.config.frames.options.offsets if not isinstance(offset, str)]
    return min(offsets, default=1)


def predict_motions(run: LoadedRun, manifest: Manifest, track: list[int]) -> NDArray[np.float64]:
    """Transforms (N - 1, 4, 4) of points of each frame's camera to the next frame's, metres if the run knows them."""
    network = RunNetwork(run)
    images = (image for _, image in prefetched(lambda row: working_image(manifest, row, network.options), track))
    return motions_between(network, images, network.metres_per_unit or 1.0)


def motions_between(network: RunNetwork, pictures: Iterable[Tensor], unit: float = 1.0) -> NDArray[np.float64]:
    """Transforms (N - 1, 4, 4) of points of each picture's camera to the next one's, lengths times ``unit``.

    Args:
        network: of a run with a pose network.
        pictures: prepared, (3, h, w) uint8, all of one size.
    """
    pose: Any = network.method.pose

    def motions(pairs: Sequence[Tensor]) -> Maps:
        images = network.images([pair[side] for side in range(2) for pair in pairs])
        axis_angle, translation, *_ = pose(torch.stack(images.chunk(2), dim=1))
        return {"motion": transform_from_parameters(axis_angle.double(), translation.double() * unit)}

    pairs = ((None, torch.stack(pair)) for pair in itertools.pairwise(pictures))
    seen = [maps["motion"].cpu().numpy() for _, maps in Predictor(network, _PAIRS).looked_at(pairs, motions)]
    return np.stack(seen) if seen else np.zeros((0, 4, 4))


def unbroken(manifest: Manifest, step: int, counts: Callable[[int], bool] = lambda _: True) -> list[list[int]]:
    """Rows of unbroken stretches of frames that count, ``step`` positions apart."""

    def beside(index: int, offset: int) -> int | None:
        neighbour = manifest.neighbour(index, offset)
        return neighbour if neighbour is not None and neighbour < len(manifest) and counts(neighbour) else None

    tracks, seen = list[list[int]](), set[int]()
    for start in range(len(manifest)):
        if start in seen or not counts(start) or beside(start, -step) is not None:
            continue
        track = [start]
        while (following := beside(track[-1], step)) is not None:
            track.append(following)
        seen.update(track)
        tracks.append(track)
    return tracks
