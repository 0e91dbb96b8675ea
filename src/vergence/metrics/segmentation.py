"""Intersection over union and its relatives, from one confusion matrix over a whole split (Three Ways, section 7)."""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

IGNORED_LABEL = 255
_PIECE = 2**14
"""Pixels counted at once on a CPU: they stay in its cache, and are too few for threads that would only wait."""


class SegmentationScores(TypedDict):
    """Shares in [0, 1]; NaN where nothing was counted."""

    miou: float
    """Mean IoU over classes that occur in truth or prediction: one that is only predicted counts with 0."""
    pixel_accuracy: float
    mean_accuracy: float
    """Mean recall over the classes of the truth."""
    frequency_weighted_iou: float
    class_iou: Tensor
    """(K,) float64, or of the chosen classes; NaN where neither truth nor prediction has the class."""


def scores(confusion: Tensor, classes: Sequence[int] | None = None, drop: bool = False) -> SegmentationScores:
    """Scores of a confusion matrix (K, K) of pixel counts: rows truth, columns prediction.

    Args:
        classes: ids of the classes that scores are taken over; default all. Accuracies are over their pixels.
        drop: pixels of the other classes in the truth do not count at all; else they are false positives of the class
            that was predicted.

    Example:
        >>> result = scores(torch.tensor([[8, 2], [0, 10]]))
        >>> result["pixel_accuracy"], result["class_iou"].round(decimals=3).tolist()
        (0.9, [0.8, 0.833])
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion matrix has shape {tuple(confusion.shape)}, expected (K, K)")
    counts = confusion.double().cpu()
    if classes is not None and drop:
        counts = only_truth_of(counts, classes)
    right, truth, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    if classes is not None:
        right, truth, predicted = (values[list(classes)] for values in (right, truth, predicted))
    class_iou = right / (truth + predicted - right)
    share = truth / truth.sum()
    return {
        "miou": float(class_iou.nanmean()),
        "pixel_accuracy": float(right.sum() / truth.sum()),
        "mean_accuracy": float((right / truth).nanmean()),
        "frequency_weighted_iou": float((share * class_iou)[truth > 0].sum() if truth.any() else torch.nan),
        "class_iou": class_iou,
    }


def only_truth_of(confusion: Tensor, classes: Sequence[int]) -> Tensor:
    """A confusion matrix without the pixels whose truth is another class than these.

    Example:
        >>> only_truth_of(torch.tensor([[5, 1], [2, 6]]), classes=[1]).tolist()
        [[0, 0], [2, 6]]
    """
    restricted = torch.zeros_like(confusion)
    restricted[list(classes)] = confusion[list(classes)]
    return restricted


def confusion_matrix(prediction: Tensor, label: Tensor, classes: int) -> Tensor:
    """Pixel counts (K, K) int64 of truth (rows) and prediction (columns), exact.

    Args:
        prediction: class ids (B, H, W), or of any one shape.
        label: class ids of the same shape; pixels labelled 255 do not count.
        classes: K.

    Raises:
        ValueError: shapes differ, or an id that is no class (where the label is not 255).

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255]), classes=2).tolist()
        [[1, 1], [0, 0]]
    """
    if prediction.shape != label.shape:
        raise ValueError(f"prediction has shape {tuple(prediction.shape)}, label {tuple(label.shape)}")
    truth, guess, rows = label.flatten(), prediction.flatten(), max(classes, IGNORED_LABEL + 1)
    if _within(truth, rows - 1) and _within(guess, classes - 1):
        counts = _count(truth, guess, rows, classes)
        if not counts[classes:IGNORED_LABEL].any():
            return counts[:classes]
    counted = truth != IGNORED_LABEL
    wrong = counted & ~(_inside(truth, classes) & _inside(guess, classes))
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} pixels are outside the {classes} classes: labels "
            f"{truth[wrong].unique().tolist()[:8]}, predicted {guess[wrong].unique().tolist()[:8]}, "
            f"expected 0 to {classes - 1}, or {IGNORED_LABEL} to ignore a label"
        )
    return _count(truth[counted], guess[counted], rows, classes)[:classes]


def _count(truth: Tensor, guess: Tensor, rows: int, classes: int) -> Tensor:
    """Counts of truth (a row for whatever a label may hold, so that nothing need be masked) and prediction."""
    counts = torch.zeros(rows * classes, dtype=torch.int64, device=truth.device)
    piece = _PIECE if truth.device.type == "cpu" else max(1, truth.numel())
    for some_truth, some_guess in zip(truth.split(piece), guess.split(piece), strict=True):
        cells = torch.add(some_guess.long(), some_truth.long(), alpha=classes)
        counts += torch.bincount(cells, minlength=rows * classes)
    counts = counts.view(rows, classes)
    counts[IGNORED_LABEL] = 0
    return counts


def _within(ids: Tensor, largest: int) -> bool:
    """Whether all ids lie between 0 and the largest."""
    if ids.numel() == 0 or (ids.dtype == torch.uint8 and largest >= 255):
        return True
    low, high = ids.aminmax()
    return bool((low >= 0) & (high <= largest))


def _inside(ids: Tensor, classes: int) -> Tensor:
    return (ids >= 0) & (ids < classes)
