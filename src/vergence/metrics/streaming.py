"""Metrics that gather batch after batch and sum over processes, for training and evaluation of one's own.

Importing torchmetrics takes half a second of processor time, so the package imports this module only when one of the
two is asked for; the evaluation of a run uses the functions beside it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from vergence.metrics.depth import DEPTH_METRICS, median, score_inverse_depth
from vergence.metrics.segmentation import confusion_matrix
from vergence.settings.protocols import DepthProtocol


class DepthMetric(Metric):
    """Streaming scores of many images, reduced over processes: the mean over images of per-image metrics."""

    errors: Tensor
    images: Tensor
    pixels: Tensor
    ratios: Any

    def __init__(self, protocol: DepthProtocol, **options: Any) -> None:
        super().__init__(**options)
        self.set_dtype(torch.float64)  # also of what a process without images sends to the others
        self.protocol = protocol
        self.add_state("errors", torch.zeros(7, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("pixels", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("ratios", [], dist_reduce_fx="cat")

    def update(self, inverse_depth: Tensor, ground_truth: Tensor | Sequence[Tensor]) -> None:
        """inverse_depth (B, 1, h, w); ground_truth (B, 1, H, W), or B maps (H, W) of their own sizes. Images without
        any truth do not count."""
        if inverse_depth.ndim != 4 or inverse_depth.shape[1] != 1 or len(inverse_depth) != len(ground_truth):
            raise ValueError(
                f"inverse depth has shape {tuple(inverse_depth.shape)} for {len(ground_truth)} truths, "
                "expected (B, 1, h, w) and B truths"
            )
        for prediction, truth in zip(inverse_depth, ground_truth, strict=True):
            score = score_inverse_depth(prediction[0], truth.reshape(truth.shape[-2:]), self.protocol)
            if score.pixels > 0:
                self.errors += score.errors.to(self.errors)
                self.images += 1
                self.pixels += score.pixels.to(self.pixels)
                self.ratios.append(score.ratio.reshape(1).to(self.errors))

    def compute(self) -> dict[str, float]:
        """The seven metrics, ``scale_median`` and ``scale_std`` (of ratio / median), ``images`` and ``pixels``."""
        count = int(self.images)
        means = (self.errors / max(count, 1)).tolist() if count else [float("nan")] * 7
        ratios = self.ratios if isinstance(self.ratios, Tensor) else torch.cat([*self.ratios, self.errors.new_zeros(0)])
        middle = median(ratios) if count else torch.tensor(torch.nan)
        spread = (ratios / middle).std(correction=0) if count else middle
        named = dict(zip(DEPTH_METRICS, means, strict=True))
        extra = {"scale_median": float(middle), "scale_std": float(spread), "images": count, "pixels": int(self.pixels)}
        return {**named, **extra}


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
        """Count class ids as :func:`vergence.metrics.segmentation.confusion_matrix` does; nothing where it raises."""
        self.confusion += confusion_matrix(prediction, label, self.classes)

    def compute(self) -> Tensor:
        """(K, K) int64; see :func:`vergence.metrics.segmentation.scores`."""
        return self.confusion
