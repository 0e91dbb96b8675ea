"""Scores of depth, classes, borders and motion."""

from vergence.metrics.borders import BorderScores, border_scores
from vergence.metrics.depth import DepthMetric, DepthProtocol, depth_errors
from vergence.metrics.odometry import align_similarity, ate_sfmlearner, trajectory_errors
from vergence.metrics.points import PointErrors, point_errors
from vergence.metrics.ranking import auroc
from vergence.metrics.segmentation import ConfusionMatrix, SegmentationScores

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
    "depth_errors",
    "point_errors",
    "trajectory_errors",
]
