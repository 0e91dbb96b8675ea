"""Numbers of each image: frames through the networks that are compared, scored task by task, here or elsewhere."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from vergence.data.manifest import Manifest
from vergence.evaluation.baselines import untrained_method
from vergence.evaluation.depth import DepthEvaluation
from vergence.evaluation.scoring import Scoring
from vergence.evaluation.segmentation import SegmentationEvaluation
from vergence.inference.inputs import evenly_spaced, has_label, has_truth, prefetched, working_image
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Maps, Predictor
from vergence.methods import Method
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun

BATCH = 8
_BATCH_PIXELS = 2**22
"""Pixels of a batch at most: large pictures go one or two at a time."""
_TRUTH = {"depth": ("depth", "disparity"), "segmentation": ("label",)}
"""Columns of the files that a task is scored by."""


@contextlib.contextmanager
def evaluating(method: Method) -> Iterator[None]:
    """While entered, a method is in evaluation mode."""
    training = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(training)


class ImageScores:
    """What a run, and what it must beat, are worth on each image.

    Args:
        manifest: the images, those without truth among them.

    Raises:
        InputError: impossible settings, or truth that cannot be read.
    """

    def __init__(self, run: LoadedRun, manifest: Manifest, scoring: Scoring) -> None:
        self.manifest, settled, tasks = manifest, scoring.of(run), run.method.tasks
        depth = [i for i in range(len(manifest)) if has_truth(manifest, i)] if "depth" in tasks else []
        labels = [i for i in range(len(manifest)) if has_label(manifest, i)] if "segmentation" in tasks else []
        methods, note = {"trained": run.method}, ""
        if scoring.baselines and (depth or labels):
            methods["untrained"], note = untrained_method(run)
        self.networks = {
            name: RunNetwork(replace(run, method=method), settled.flip, settled.window, small=True)
            for name, method in methods.items()
        }
        self.parts: list[DepthEvaluation | SegmentationEvaluation] = []
        """By task."""
        if depth:
            self.parts.append(DepthEvaluation(run, manifest, depth, settled.protocol, methods, note))
        if labels:
            self.parts.append(
                SegmentationEvaluation(run, manifest, labels, settled.resolution, methods, note, settled.classes)
            )
        chosen = {part.task: evenly_spaced(part.rows, scoring.limit) for part in self.parts}
        self.rows = sorted(set().union(*chosen.values()))
        """Rows of the images that are scored."""
        self._wanted = {task: set(rows) for task, rows in chosen.items()}

    def files(self, rows: Sequence[int]) -> list[Path]:
        """The files that these images are scored by."""
        columns = [
            (row, column)
            for row in rows
            for column in (
                "image",
                *(c for task, wanted in self._wanted.items() if row in wanted for c in _TRUTH[task]),
            )
        ]
        return [self.manifest.path(row, column) for row, column in columns if getattr(self.manifest[row], column)]

    def score(self, rows: list[int], progress: Progress | None = None) -> dict[str, Any]:
        """Score these images; gives all that was found, by task, as plain values."""
        for done, (index, truths, maps) in enumerate(self._truths_and_maps(rows)):
            for part in self.parts:
                if part.task in truths:
                    part.add(index, truths[part.task], maps)
            if progress is not None:
                progress(done + 1, len(rows))
        return {part.task: part.state() for part in self.parts}

    def merge(self, pieces: list[dict[str, Any]]) -> None:
        """Take what :meth:`score` has found elsewhere, piece after piece, instead of one's own."""
        for part in self.parts:
            part.merge([one[part.task] for one in pieces])

    def _truths_and_maps(self, rows: list[int]) -> Iterator[tuple[int, dict[str, Any], Maps]]:
        """All rows in order: the row, what it is scored against by task, and its maps (., h, w) by network."""
        trained = self.networks["trained"]

        def load(index: int) -> tuple[Tensor, dict[str, Any]]:
            image = working_image(self.manifest, index, trained.options)
            return image, {part.task: part.truth(index) for part in self.parts if index in self._wanted[part.task]}

        def look(batch: Sequence[Tensor]) -> Maps:
            return {name: network.maps(batch) for name, network in self.networks.items()}

        loaded = prefetched(load, rows, ahead=2 * BATCH)
        images = (((index, truths), image) for index, (image, truths) in loaded)
        predictor = Predictor(trained, BATCH, batch_pixels=_BATCH_PIXELS)
        for (index, truths), maps in predictor.looked_at(images, look):
            yield index, truths, maps
