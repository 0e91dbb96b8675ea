"""Scores of depth, classes, borders and motion."""

from typing import TYPE_CHECKING, Any

from vergence.metrics.borders import BorderScores, border_scores
from vergence.metrics.depth import DepthProtocol, depth_errors
from vergence.metrics.odometry import align_similarity, ate_sfmlearner, trajectory_errors
from vergence.metrics.points import PointErrors, point_errors
from vergence.metrics.ranking import auroc
from vergence.metrics.segmentation import SegmentationScores, confusion_matrix, scores

if TYPE_CHECKING:
    from vergence.metrics.streaming import ConfusionMatrix, DepthMetric

__all__ = [
    "BorderScores",
    "ConfusionMatrix",
    "DepthMetric",
    "DepthProtocol",
    "PointErrors",
    "SegmentationScores",
    "align_similarity",
    "ate_sfmlearner",
    "auroc",
    "border_scores",
    "confusion_matrix",
    "depth_errors",
    "point_errors",
    "scores",
    "trajectory_errors",
]


def __getattr__(name: str) -> Any:
    if name not in ("ConfusionMatrix", "DepthMetric"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vergence.metrics import streaming

    return getattr(streaming, name)
