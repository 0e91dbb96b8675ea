"""What a model must beat: answers that never look at the picture, and the network before its first step."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.rows.split_rows import in_split
from vergence.data.rows.subsets import labelled_subset
from vergence.errors import InputError
from vergence.inference.inputs import evenly_spaced, ground_truth, ground_truth_label, has_truth, prefetched
from vergence.methods import Method
from vergence.runs.checkpoint import LoadedRun, build_method
from vergence.runs.config_sections import FramesConfig

_MOST_IMAGES = 500
_SELDOM = 0.05
"""Cells that are measured in a smaller share of the images count as unknown: their mean would be an accident."""


def cell_inverse_depth(depth: NDArray[np.float32], height: int, width: int) -> Tensor:
    """Mean inverse depth of the known pixels in each cell of a (height, width) grid; NaN where there is none.

    Args:
        depth: (H, W) metres, 0 = unknown.
    """
    truth = torch.from_numpy(np.ascontiguousarray(depth, dtype=np.float64))[None, None]
    known = truth > 0
    inverse = torch.where(known, 1 / truth.clamp(min=1e-6), torch.zeros_like(truth))
    total = F.adaptive_avg_pool2d(inverse, (height, width))
    share = F.adaptive_avg_pool2d(known.double(), (height, width))
    return (total / share)[0, 0]  # 0 / 0 is NaN


@dataclass
class MeanInverseDepth:
    """The per-pixel mean of inverse depth over images, gathered one image at a time (H, W of the working size)."""

    height: int
    width: int
    images: int = 0
    total: Tensor = field(init=False)
    count: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.total = torch.zeros(self.height, self.width, dtype=torch.float64)
        self.count = torch.zeros_like(self.total)

    def add(self, depth: NDArray[np.float32]) -> None:
        """Add the ground truth of one image: (H, W) metres of any size, 0 = unknown."""
        cells = cell_inverse_depth(depth, self.height, self.width)
        self.total += cells.nan_to_num(0.0)
        self.count += cells.isfinite()
        self.images += 1

    def mean(self, without: NDArray[np.float32] | None = None) -> Tensor:
        """The mean (H, W), seldom measured cells filled from their row; ``without`` leaves one image out."""
        total, count = self.total, self.count
        if without is not None:
            cells = cell_inverse_depth(without, self.height, self.width)
            total, count = total - cells.nan_to_num(0.0), count - cells.isfinite().double()
        enough = (count > 0) & (count >= _SELDOM * self.images)
        return _filled(torch.where(enough, total / count.clamp(min=1), torch.nan)).float()


def _filled(cells: Tensor) -> Tensor:
    """Unknown cells get the mean of their row; unknown rows repeat the nearest known row (the upper one of two)."""
    rows = cells.nanmean(dim=1)
    known = rows.isfinite().nonzero()[:, 0]
    if len(known) == 0:
        return torch.ones_like(cells)
    nearest = (torch.arange(len(rows))[:, None] - known).abs().argmin(dim=1)
    return torch.where(cells.isfinite(), cells, rows[:, None])[known[nearest]]


def input_free_inverse_depth(manifest: Manifest, options: FrameOptions) -> MeanInverseDepth:
    """Per-pixel mean inverse depth (1 / metres) of a manifest's ground truth, over at most 500 images evenly spaced.

    Ground truth that is seen whole and stretched to the working size; ``images`` of the result is 0 without truth.
    """
    mean = MeanInverseDepth(options.height, options.width)
    chosen = evenly_spaced([index for index in range(len(manifest)) if has_truth(manifest, index)], _MOST_IMAGES)
    for _, truth in prefetched(lambda index: ground_truth(manifest, index), chosen):
        mean.add(truth)
    return mean


def training_frames(run: LoadedRun) -> Manifest:
    """The frames a run was trained on; InputError where they are not at hand."""
    frames = run.config.frames
    if not frames.source:
        raise InputError(f"{run.path} does not say what it was trained on.")
    return _training_split(resolve_input(frames.source, allow_truncated=frames.allow_truncated), frames)


def _training_split(manifest: Manifest, frames: FramesConfig) -> Manifest:
    return in_split(manifest, frames.train_split, "frames.train_split")


def input_free_of_run(run: LoadedRun, manifest: Manifest, indices: list[int]) -> tuple[MeanInverseDepth | None, str]:
    """The mean map of the run's training truth, else of the evaluated data; and what it was made of.

    The origin starts with "leave-one-out" where the caller must leave the scored image out of the mean.
    """
    frames = run.config.frames
    try:
        training = training_frames(run)
        mean = input_free_inverse_depth(training, frames.options)
        if mean.images:
            return mean, f"mean inverse depth of {mean.images} training images"
        reason = "the training data have no measured depth"
    except (InputError, OSError):
        reason = "the training data are not at hand"
    if len(indices) < 2:
        return None, reason
    mean = MeanInverseDepth(frames.options.height, frames.options.width)
    for _, truth in prefetched(lambda index: ground_truth(manifest, index), indices):
        mean.add(truth)
    return mean, f"leave-one-out mean inverse depth of the {mean.images} evaluated images: {reason}"


def untrained_method(run: LoadedRun) -> tuple[Method, str]:
    """The run's method before its first step (same seed, same starting weights), and a note where that is not exact."""
    config, note = run.config, ""
    with torch.random.fork_rng():
        torch.manual_seed(config.train.seed)
        try:
            method = build_method(config)
            method.initialize()
        except (InputError, OSError):
            torch.manual_seed(config.train.seed)
            method = build_method(config, "loading")
            note = "random weights: those the run started from are not at hand"
    return method.to(run.device).eval(), note


_GRID = (64, 128)
"""Cells in which the most frequent class is counted: few labels say little about single pixels."""


@dataclass
class MostFrequentClass:
    """The most frequent class at each position over labels, gathered one label at a time (on a grid of 64 x 128)."""

    classes: int
    images: int = 0
    counts: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.counts = torch.zeros(*_GRID, self.classes, dtype=torch.float64)

    def add(self, label: NDArray[np.uint8]) -> None:
        """Add one label: class ids (H, W) of any size, what is no class does not count."""
        self.counts += self._count(label)
        self.images += 1

    def answer(self, size: tuple[int, ...], without: NDArray[np.uint8] | None = None) -> Tensor:
        """Class ids (H, W) int64; cells without any label take the class of their row, then of the whole picture.

        Args:
            without: leave this label, which was added, out.
        """
        counts = self.counts if without is None else self.counts - self._count(without)
        row = counts.sum(dim=1, keepdim=True)
        everywhere = row.sum(dim=0, keepdim=True)
        share = [part / part.sum(dim=2, keepdim=True).clamp(min=1) for part in (row, everywhere)]
        best = (counts + 1e-3 * share[0] + 1e-6 * share[1]).argmax(dim=2)
        rows, columns = self._cells(size[0], size[1])
        return best[rows[:, None], columns]

    def _count(self, label: NDArray[np.uint8]) -> Tensor:
        ids = torch.from_numpy(label).long()
        rows, columns = self._cells(label.shape[0], label.shape[1])
        known = ids < self.classes
        cells = (rows[:, None] * _GRID[1] + columns) * self.classes + ids
        return torch.bincount(cells[known], minlength=self.counts.numel()).reshape(self.counts.shape).double()

    @staticmethod
    def _cells(height: int, width: int) -> tuple[Tensor, Tensor]:
        """The cell of each row and of each column."""
        return torch.arange(height) * _GRID[0] // height, torch.arange(width) * _GRID[1] // width


def class_prior_of_run(
    run: LoadedRun, rows: list[int], read: Callable[[int], NDArray[np.uint8]], space: LabelSpace
) -> tuple[MostFrequentClass | None, str]:
    """The most frequent class per position of the labels a run was trained with, else of those evaluated; its origin.

    The origin starts with "leave-one-out" where the caller must leave the scored label out.

    Args:
        rows: what is scored.
        read: reads the label of such a row.
    """
    prior = MostFrequentClass(len(space))
    try:
        training, labelled = labelled_training_rows(run)
        for _, label in prefetched(lambda index: ground_truth_label(training, index, space), labelled):
            prior.add(label)
        if prior.images:
            return prior, f"most frequent class at each position of {prior.images} training labels"
        reason = "the training data have no labels"
    except (InputError, OSError):
        prior, reason = MostFrequentClass(len(space)), "the training data are not at hand"
    if len(rows) < 2:
        return None, reason
    for _, label in prefetched(read, rows):
        prior.add(label)
    return prior, f"leave-one-out most frequent class of the {prior.images} evaluated labels: {reason}"


def labelled_training_rows(run: LoadedRun) -> tuple[Manifest, list[int]]:
    """The frames a run was trained on, and which of them it was given the labels of.

    A run that adapts without labels of the target was given those of its source domain: some of them, evenly spaced.
    """
    frames, pools = run.config.frames, {role.pool for role in run.config.section.roles.values()}
    if "source_domain" in pools and "labelled" not in pools and frames.source_domain:
        manifest = resolve_input(frames.source_domain, allow_truncated=frames.allow_truncated)
        split = _training_split(manifest, frames)
        return split, evenly_spaced([row for row in range(len(split)) if split[row].label], _MOST_IMAGES)
    training, wanted = training_frames(run), frames.labelled
    seed = run.config.train.seed if wanted.seed is None else wanted.seed
    return training, labelled_subset(training, wanted.count, seed, wanted.file).rows
