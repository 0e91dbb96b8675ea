"""Scores of depth, classes, borders and motion."""

from vergence.metrics.borders import BorderScores, border_scores
from vergence.metrics.depth import DepthProtocol, depth_errors
from vergence.metrics.odometry import align_similarity, ate_sfmlearner, trajectory_errors
from vergence.metrics.points import PointErrors, point_errors
from vergence.metrics.segmentation import SegmentationScores, confusion_matrix, scores

__all__ = [
    "BorderScores",
    "DepthProtocol",
    "PointErrors",
    "SegmentationScores",
    "align_similarity",
    "ate_sfmlearner",
    "border_scores",
    "confusion_matrix",
    "depth_errors",
    "point_errors",
    "scores",
    "trajectory_errors",
]
