"""Runs behind ports: what they are known by, and their batches of image files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vergence.data.digests import file_digest
from vergence.data.frame_row import FrameRow
from vergence.data.images import open_image
from vergence.data.lenses import straight_image
from vergence.engine.checkpoint import LoadedRun, find_checkpoint
from vergence.engine.inputs import on_device, prefetched, to_network

_BATCH = 8


def weights_identity(path: Path) -> str:
    """A text that changes with the weights of a run; InputError where there is none."""
    files = [find_checkpoint(path) / name for name in ("model.safetensors", "config.json")]
    return "|".join(file_digest(file) for file in files if file.is_file())


def image_batches(
    run: LoadedRun, images: Sequence[tuple[Path, FrameRow]]
) -> Iterator[tuple[list[int], list[tuple[int, int]], Tensor]]:
    """Whole pictures, each with its row, as the run's network sees them, in batches of one size.

    Yields:
        Places in ``images``, the pictures' own (H, W), and the batch (B, 3, h, w) in [0, 1] on the run's device.
    """
    options, device = run.config.frames.options, next(run.method.parameters()).device
    waiting: list[tuple[int, tuple[int, int], Tensor]] = []

    def load(place: int) -> tuple[tuple[int, int], Tensor]:
        path, row = images[place]
        image = straight_image(row, open_image(path))
        return (image.height, image.width), to_network(image, options)

    def flush() -> tuple[list[int], list[tuple[int, int]], Tensor]:
        places, sizes, tensors = zip(*waiting, strict=True)
        waiting.clear()
        return list(places), list(sizes), on_device(tensors, torch.device(device))

    for place, (size, image) in prefetched(load, range(len(images))):
        if waiting and (len(waiting) == _BATCH or waiting[0][2].shape != image.shape):
            yield flush()
        waiting.append((place, size, image))
    if waiting:
        yield flush()
