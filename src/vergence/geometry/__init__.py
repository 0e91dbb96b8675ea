"""Cameras, motion and warping on tensors: OpenCV axes, pixel centres at integers."""

from vergence.geometry.camera import (
    Camera,
    backproject,
    crop_intrinsics,
    depth_to_disparity,
    disparity_to_depth,
    flip_intrinsics,
    invert_intrinsics,
    pixel_grid,
    project,
    resize_inverse_depth,
    scale_intrinsics,
)
from vergence.geometry.pose import (
    axis_angle_to_matrix,
    invert_transform,
    matrix_to_axis_angle,
    transform_from_parameters,
)
from vergence.geometry.warp import projection_rays, sampling_grid, synthesize_view, warp

__all__ = [
    "Camera",
    "axis_angle_to_matrix",
    "backproject",
    "crop_intrinsics",
    "depth_to_disparity",
    "disparity_to_depth",
    "flip_intrinsics",
    "invert_intrinsics",
    "invert_transform",
    "matrix_to_axis_angle",
    "pixel_grid",
    "project",
    "projection_rays",
    "resize_inverse_depth",
    "sampling_grid",
    "scale_intrinsics",
    "synthesize_view",
    "transform_from_parameters",
    "warp",
]
