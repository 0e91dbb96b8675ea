"""Intersection over union and its relatives, from one confusion matrix over a whole split (Three Ways, section 7)."""

from typing import Any, TypedDict

import torch
from torch import Tensor
from torchmetrics import Metric

IGNORED_LABEL = 255


class SegmentationScores(TypedDict):
    """Shares in [0, 1]; NaN where nothing was counted."""

    miou: float
    """Mean IoU over classes that occur in truth or prediction: one that is only predicted counts with 0."""
    pixel_accuracy: float
    mean_accuracy: float
    """Mean recall over the classes of the truth."""
    frequency_weighted_iou: float
    class_iou: Tensor
    """(K,) float64; NaN where neither truth nor prediction has the class."""


def scores(confusion: Tensor) -> SegmentationScores:
    """Scores of a confusion matrix (K, K) of pixel counts: rows truth, columns prediction."""
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion matrix has shape {tuple(confusion.shape)}, expected (K, K)")
    counts = confusion.double().cpu()
    right, truth, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    class_iou = right / (truth + predicted - right)
    share = truth / truth.sum()
    return {
        "miou": float(class_iou.nanmean()),
        "pixel_accuracy": float(right.sum() / counts.sum()),
        "mean_accuracy": float((right / truth).nanmean()),
        "frequency_weighted_iou": float((share * class_iou)[truth > 0].sum() if truth.any() else torch.nan),
        "class_iou": class_iou,
    }


class ConfusionMatrix(Metric):
    """Streaming counts (K, K) of truth (rows) and prediction (columns), exact, summed over processes."""

    confusion: Tensor

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(**options)
        if classes < 1:
            raise ValueError(f"classes is {classes}, expected 1 or more")
        self.classes = classes
        self.add_state("confusion", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, label: Tensor) -> None:
        """Count class ids (B, H, W), or of any one shape; pixels labelled 255 do not count.

        Raises:
            ValueError: shapes differ, or an id that is no class (where the label is not 255). Nothing is counted then.
        """
        if prediction.shape != label.shape:
            raise ValueError(f"prediction has shape {tuple(prediction.shape)}, label {tuple(label.shape)}")
        classes = self.classes
        truth, guess = label.flatten().long(), prediction.flatten().long()
        counted = truth != IGNORED_LABEL
        known = (truth >= 0) & (truth < classes) & (guess >= 0) & (guess < classes)
        # two more cells: pixels that are ignored, and those that are wrong
        other = classes**2 + (counted & ~known).long()
        cells = torch.where(counted & known, classes * truth + guess, other)
        counts = torch.bincount(cells, minlength=classes**2 + 2)
        if counts[-1] > 0:
            wrong = counted & ~known
            raise ValueError(
                f"{int(counts[-1])} pixels are outside the {classes} classes: labels "
                f"{truth[wrong].unique().tolist()[:8]}, predicted {guess[wrong].unique().tolist()[:8]}, "
                f"expected 0 to {classes - 1}, or {IGNORED_LABEL} to ignore a label"
            )
        self.confusion += counts[: classes**2].view(classes, classes)

    def compute(self) -> Tensor:
        """(K, K) int64; see :func:`scores`."""
        return self.confusion
