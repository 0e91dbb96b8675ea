"""Runs behind ports: what they are known by, image files looked at through them, who of several processes looks."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vergence.data.digests import file_digest
from vergence.data.imaging.images import open_image
from vergence.data.lenses import straight_image
from vergence.data.rows.frame_row import FrameRow
from vergence.inference.inputs import prefetched
from vergence.inference.predictor import Look, Maps, Predictor
from vergence.runs.folder import find_checkpoint
from vergence.runs.processes import ALONE, Processes

Name = TypeVar("Name")
BATCH = 8
"""Pictures that a port looks at together."""


def weights_identity(path: Path) -> str:
    """A text that changes with the weights of a run; InputError where there is none."""
    checkpoint = find_checkpoint(path)
    return "|".join(file_digest(file) for file in (checkpoint.weights, checkpoint.settings) if file.is_file())


def looked_at(
    predictor: Predictor, images: Sequence[tuple[Path, FrameRow]], look: Look | None = None
) -> Iterator[tuple[int, tuple[int, int], Maps]]:
    """Whole pictures, each with its row, through a run.

    Yields:
        Index into ``images``, the picture's own (H, W), and its maps (., h, w) at the network's size, on its device.
    """

    def load(index: int) -> tuple[tuple[int, int], Any]:
        path, row = images[index]
        image = straight_image(row, open_image(path))
        return (image.height, image.width), predictor.network.prepare(image)

    loaded = prefetched(load, range(len(images)))
    for (index, size), maps in predictor.looked_at((((index, size), one) for index, (size, one) in loaded), look):
        yield index, size, maps


def make_missing(
    names: Sequence[Name],
    is_there: Callable[[Name], bool],
    make: Callable[[list[int]], None],
    processes: Processes = ALONE,
) -> None:
    """Let the processes of a run make what is missing, each its share; afterwards every one of them has everything.

    Args:
        names: of what is wanted, the same in each process.
        is_there: whether one is kept, whole, already.
        make: makes those at these indices of ``names``, at least one.
        processes: all of them must call this.

    Raises:
        InputError: of any of the processes, in each.
    """

    def missing() -> list[int]:
        return [index for index, (_, there) in enumerate(prefetched(is_there, names)) if not there]

    def made(indices: list[int]) -> None:
        if indices:
            make(indices)

    wanted = sorted(set[int]().union(*processes.together(missing)))  # one list for all: another may be writing already
    if wanted:
        processes.together(lambda: made(processes.share(wanted, BATCH)))
    if wanted and processes.world > 1:  # what others made is not here where machines keep caches of their own
        processes.together(lambda: made(missing()))
