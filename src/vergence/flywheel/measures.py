"""What a task of a round is judged by: one number of it and of the last kept one, frame by frame on the same frames."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate_parts
from vergence.flywheel.folder import Round
from vergence.flywheel.labels import AGREEMENT, carried_labels
from vergence.inference.inputs import evenly_spaced, has_truth
from vergence.runs.checkpoint import LoadedRun, load_run

_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Measure:
    """One number of a round's task and of the last kept one before it, on the same frames."""

    name: str
    on: str
    """What it was measured on, in words."""
    before: float
    now: float
    higher: bool
    """Whether more is better."""
    frames: int
    """How many frames were compared, each with itself."""
    error: float
    """Standard error of ``now - before`` over these frames; NaN where one frame says nothing of it."""

    @property
    def difference(self) -> float:
        """``now - before``: where the number is a mean over frames, the mean of their differences."""
        return self.now - self.before

    def worse(self, margin: float, doubt: float) -> bool:
        """Whether it is worse by more than a share of what it was and so many standard errors; below 0, whether it is
        not better by so many."""
        loss = -self.difference if self.higher else self.difference
        unsure = doubt * self.error if math.isfinite(self.error) else 0.0
        return not loss <= margin * abs(self.before) + unsure  # what is no number is worse

    def text(self) -> str:
        spread = f" ± {self.error:.2g}" if math.isfinite(self.error) else ""
        frames = f"{self.frames} frame{'s' * (self.frames != 1)}"
        return (
            f"{self.name} {self.now:.4g}, was {self.before:.4g} (difference {self.difference:+.2g}{spread}; "
            f"{self.on}, {frames})"
        )

    def record(self) -> dict[str, Any]:
        """As it stands in the verdict."""
        return {**asdict(self), "difference": self.difference}


def paired(
    name: str, on: str, before: Tensor, now: Tensor, higher: bool, value: Callable[[Tensor], Tensor] | None = None
) -> Measure:
    """Compare two runs on the same N frames.

    The standard error of the difference is the jackknife's (Efron and Stein, 1981): each frame is left out in turn, of
    both runs at once, and the value is taken over the others. For a mean it is exactly the standard error of the paired
    differences; for mIoU, which one confusion matrix of all frames decides, it says how much that depends on single
    frames. No draw is random.

    Args:
        before: (N, ...) what each frame adds, of the last kept run.
        now: the same of the run that is judged.
        value: the number of such tensors, frames along the first axis; default their mean.
    """
    of = value or (lambda frames: frames.mean())
    count = len(now)
    apart = []
    for left in range(count if count > 1 else 0):
        others = torch.arange(count) != left
        apart.append(of(now[others]) - of(before[others]))
    error = math.nan
    if apart:
        apart_values = torch.stack(apart)
        error = float(((count - 1) / count * (apart_values - apart_values.mean()).square().sum()).sqrt())
    return Measure(name, on, float(of(before)), float(of(now)), higher, count, error)


def mean_iou(counts: Tensor) -> Tensor:
    """mIoU of (N, 3, K) pixels that agree, of the truth and of the prediction, over all N frames together."""
    agreed, truth, predicted = counts.sum(dim=0)
    return (agreed / (truth + predicted - agreed)).nanmean()


def depth_by_truth(pair: tuple[Path, Path], frames: Manifest, device: str) -> Measure | None:
    """abs_rel of each frame with measured depth; None where no frame has any."""
    if not any(has_truth(frames, row) for row in range(len(frames))):
        return None
    before, now = (torch.tensor(_abs_rel(load_run(run, device), frames), dtype=torch.float64) for run in pair)
    return paired("abs_rel", "measured depth of frames set aside", before, now, False)


def depth_by_video(pair: tuple[Path, Path], frames: Manifest, count: int, device: str) -> Measure | None:
    """Photometric error of each of some frames with a neighbour; None where there are none, or runs look elsewhere."""
    runs = [load_run(run, device) for run in pair]
    rows = _moving(runs, frames, count)
    if not rows:
        return None
    masked = all(run.config.section.loss.automask for run in runs)
    before, now = (torch.tensor(photometric_errors(run, frames, rows, masked), dtype=torch.float64) for run in runs)
    return paired("photometric error", "held-back video", before, now, False)


def classes_by_truth(pair: tuple[Path, Path], frames: Manifest, device: str, on: str) -> Measure:
    """mIoU on frames with labels."""
    before, now = (_counts(load_run(run, device), frames) for run in pair)
    seen = now[:, 1].sum(dim=1) > 0
    return paired("miou", on, before[seen], now[seen], True, mean_iou)


def classes_by_video(base: Round, one: Round, depth: Path, count: int, device: str) -> Measure | None:
    """mIoU against labels of the kept round carried to frames that nobody labelled; None, and why, where none are."""
    try:
        frames = _agreement(base, one, depth, count, device)
    except InputError as error:
        _log.warning("segmentation of round %d is not judged: %s", one.number, error)
        return None
    return classes_by_truth((base.segmentation, one.segmentation), frames, device, "labels carried through video")


_SCORING = Scoring(baselines=False, odometry=False)


def _abs_rel(run: LoadedRun, frames: Manifest) -> list[float]:
    rows = next(part for part in evaluate_parts(run, frames, _SCORING)[1] if part.task == "depth").image_rows()
    return [float(row["abs_rel"]) for row in rows if row["name"] == "trained"]


def _counts(run: LoadedRun, frames: Manifest) -> Tensor:
    part: Any = next(part for part in evaluate_parts(run, frames, _SCORING)[1] if part.task == "segmentation")
    return torch.stack(part.predictors[0].counts).cpu().double()


def _dataset(run: LoadedRun, frames: Manifest) -> FrameDataset:
    options = replace(run.config.frames.options, load_label=False, load_depth=False, random_crop=None, require="any")
    return FrameDataset(frames, options, train=False)


def _moving(runs: list[LoadedRun], frames: Manifest, count: int) -> list[int]:
    """Frames with a neighbour, evenly spaced; none where the runs look at other neighbours: their errors differ."""
    offsets, others = (run.config.frames.options.offsets for run in runs)
    if offsets != others:
        return []
    rows = [row for row in range(len(frames)) if any(frames.has_source(row, offset) for offset in offsets)]
    return evenly_spaced(rows, count)


@torch.no_grad()
def photometric_errors(run: LoadedRun, frames: Manifest, rows: list[int], masked: bool = True) -> list[float]:
    """Mean photometric error of each frame, left when its neighbours are warped onto it by depth and motion of a run.

    Args:
        masked: no pixel counts for more than its unmoved neighbour's error (the run masks by it in training): what
            moves along no depth explains.
    """
    dataset, method, errors = _dataset(run, frames), run.method, []
    diagnose: Any = method.diagnose
    training = method.training
    method.eval()
    try:
        for row in rows:
            batch = prepare_batch(collate([dataset[dataset.rows.index(row)]]), run.device)
            maps = diagnose(batch)
            error = torch.minimum(maps["error"], maps["identity_error"]) if masked else maps["error"]
            errors.append(float(error.double().mean()))
    finally:
        method.train(training)
    return errors


def _agreement(base: Round, one: Round, depth: Path, count: int, device: str) -> Manifest:
    """Frames that nobody labelled, with the labels carried to them that both rounds knew, to be compared with."""
    carried = Manifest.read(carried_labels(base, AGREEMENT, base.agreement, depth, device))
    labelled = set(one.chosen())
    rows = [row.image for row in carried if row.label and not row.judges and row.image not in labelled]
    if not rows:
        raise InputError(f"no label of round {base.number} could be carried to another frame.")
    chosen = set(evenly_spaced(rows, count))
    return carried.select(predicate=lambda row: row.image in chosen).changed(
        lambda row: replace(row, label_origin="") if row.image in chosen else row
    )
