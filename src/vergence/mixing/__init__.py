"""Mixing of images and labels by class, depth and box, and strong augmentation, on tensors."""

from vergence.mixing.augment import ColorJitter, color_jitter, draw_strong, gaussian_blur, strong_augment
from vergence.mixing.by_depth import DepthMixed, depthmix, normalised_disparity
from vergence.mixing.masks import (
    classmix_mask,
    cutmix_mask,
    depth_band_mask,
    depth_histogram_mask,
    depth_threshold_mask,
    depthmix_mask,
)
from vergence.mixing.mix import mix

__all__ = [
    "ColorJitter",
    "DepthMixed",
    "classmix_mask",
    "color_jitter",
    "cutmix_mask",
    "depth_band_mask",
    "depth_histogram_mask",
    "depth_threshold_mask",
    "depthmix",
    "depthmix_mask",
    "draw_strong",
    "gaussian_blur",
    "mix",
    "normalised_disparity",
    "strong_augment",
]
