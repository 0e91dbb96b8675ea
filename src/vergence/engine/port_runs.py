"""Runs behind ports: what they are known by, and image files looked at through them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vergence.data.digests import file_digest
from vergence.data.frame_row import FrameRow
from vergence.data.images import open_image
from vergence.data.lenses import straight_image
from vergence.engine.checkpoint import find_checkpoint
from vergence.engine.inputs import prefetched
from vergence.inference.predictor import Look, Maps, Predictor

BATCH = 8
"""Pictures that a port looks at together."""


def weights_identity(path: Path) -> str:
    """A text that changes with the weights of a run; InputError where there is none."""
    files = [find_checkpoint(path) / name for name in ("model.safetensors", "config.json")]
    return "|".join(file_digest(file) for file in files if file.is_file())


def looked_at(
    predictor: Predictor, images: Sequence[tuple[Path, FrameRow]], look: Look | None = None
) -> Iterator[tuple[int, tuple[int, int], Maps]]:
    """Whole pictures, each with its row, through a run.

    Yields:
        Place in ``images``, the picture's own (H, W), and its maps (., h, w) at the network's size, on its device.
    """

    def load(place: int) -> tuple[tuple[int, int], Any]:
        path, row = images[place]
        image = straight_image(row, open_image(path))
        return (image.height, image.width), predictor.network.prepare(image)

    loaded = prefetched(load, range(len(images)))
    for (place, size), maps in predictor.looked_at((((place, size), one) for place, (size, one) in loaded), look):
        yield place, size, maps
