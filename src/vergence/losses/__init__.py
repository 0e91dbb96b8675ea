"""Losses of depth and classes on tensors; a room that knows no files, networks or runs."""

from vergence.losses.depth import berhu, feature_distance, hint_loss
from vergence.losses.difficulty import adaptation_difficulty, pixel_weights
from vergence.losses.photometric import (
    automask,
    automasked_loss,
    minimum_error,
    photometric_error,
    ssim_distance,
    tie_break_noise,
)
from vergence.losses.photometric_depth import PhotometricDepthLoss, photometric_depth_loss
from vergence.losses.segmentation import (
    cross_entropy,
    generalised_cross_entropy,
    pixel_entropy,
    pseudo_labels,
    symmetric_cross_entropy,
)
from vergence.losses.self_supervised import (
    ViewLossOptions,
    kept_pixels,
    prepare_views,
    self_supervised_loss,
    synthesize,
)
from vergence.losses.smoothness import edge_aware_smoothness
from vergence.losses.triplet import semantic_triplet_loss

__all__ = [
    "PhotometricDepthLoss",
    "ViewLossOptions",
    "adaptation_difficulty",
    "automask",
    "automasked_loss",
    "berhu",
    "cross_entropy",
    "edge_aware_smoothness",
    "feature_distance",
    "generalised_cross_entropy",
    "hint_loss",
    "kept_pixels",
    "minimum_error",
    "photometric_depth_loss",
    "photometric_error",
    "pixel_entropy",
    "pixel_weights",
    "prepare_views",
    "pseudo_labels",
    "self_supervised_loss",
    "semantic_triplet_loss",
    "ssim_distance",
    "symmetric_cross_entropy",
    "synthesize",
    "tie_break_noise",
]
