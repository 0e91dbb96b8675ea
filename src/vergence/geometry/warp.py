"""View synthesis: where the pixels of the target lie in the sources, and what is seen there.

``T`` maps points of the target camera to a source camera. What does not depend on depth is computed once
(:func:`projection_rays`) and shared by all scales; all sources are sampled in one call.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.camera import EPSILON, invert_intrinsics, pixel_grid


def projection_rays(
    K_target: Tensor, K_source: Tensor, T: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """The part of the projection that depth does not change: homogeneous source pixel = depth * rays + offset.

    Args:
        K_target: (B, 3, 3), pixels.
        K_source: (B, S, 3, 3), pixels.
        T: (B, S, 4, 4), target camera to source camera.
        height: of the target image.
        width: of the target image.

    Returns:
        Rays K_s R K_t^-1 [u, v, 1] (B, S, 3, H, W) and offset K_s t (B, S, 3, 1, 1).
    """
    if K_target.dim() != 3 or K_source.dim() != 4 or T.dim() != 4 or T.shape[-2:] != (4, 4):
        raise ValueError(
            "projection_rays: expected K_target (B, 3, 3), K_source (B, S, 3, 3) and T (B, S, 4, 4), received "
            f"{tuple(K_target.shape)}, {tuple(K_source.shape)} and {tuple(T.shape)}"
        )
    if K_source.shape[:2] != T.shape[:2] or K_target.shape[0] != T.shape[0]:
        raise ValueError(
            "projection_rays: batch or sources differ between K_target, K_source and T, received "
            f"{tuple(K_target.shape)}, {tuple(K_source.shape)} and {tuple(T.shape)}"
        )
    grid = pixel_grid(height, width, T.device, T.dtype).flatten(1)
    matrix = K_source @ T[..., :3, :3] @ invert_intrinsics(K_target)[:, None]
    rays = (matrix @ grid).unflatten(-1, (height, width))
    offset = K_source @ T[..., :3, 3:]
    return rays, offset[..., None]


def sampling_grid(depth: Tensor, rays: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Sampling positions of the target's pixels in the sources.

    Args:
        depth: (B, 1, H, W) of the target.
        rays: (B, S, 3, H, W).
        offset: (B, S, 3, 1, 1).

    Returns:
        Grid (B, S, H, W, 2), x first, -1 and 1 at the centres of the outermost pixels, and inside (B, S, 1, H, W) bool:
        the pixel projects into the source image and lies in front of its camera.
    """
    if depth.dim() != 4 or depth.shape[1] != 1:
        raise ValueError(f"sampling_grid: depth must be (B, 1, H, W), received {tuple(depth.shape)}")
    if rays.dim() != 5 or rays.shape[2] != 3 or (rays.shape[0], *rays.shape[3:]) != (depth.shape[0], *depth.shape[2:]):
        raise ValueError(
            f"sampling_grid: rays must be (B, S, 3, H, W) for depth {tuple(depth.shape)}, received {tuple(rays.shape)}"
        )
    height, width = depth.shape[-2:]
    points = depth[:, None] * rays + offset
    z = points[:, :, 2:]
    half = points.new_tensor([(width - 1) / 2, (height - 1) / 2])[:, None, None]
    grid = points[:, :, :2] / (z + EPSILON) / half - 1
    with torch.no_grad():
        inside = (grid.abs() <= 1).all(dim=2, keepdim=True) & (z > 0)
    return grid.permute(0, 1, 3, 4, 2), inside


def warp(source: Tensor, grid: Tensor, align_corners: bool = True) -> Tensor:
    """Bilinear samples of the sources with border padding; all sources in one call.

    Args:
        source: (B, S, C, H, W).
        grid: (B, S, H', W', 2) in [-1, 1].
        align_corners: True fits the grid of :func:`sampling_grid`; False reproduces programs that ran on a library
            whose default had changed.

    Returns:
        (B, S, C, H', W').
    """
    if source.dim() != 5 or grid.dim() != 5 or grid.shape[-1] != 2 or source.shape[:2] != grid.shape[:2]:
        raise ValueError(
            "warp: expected source (B, S, C, H, W) and grid (B, S, H', W', 2), received "
            f"{tuple(source.shape)} and {tuple(grid.shape)}"
        )
    sampled = F.grid_sample(
        source.flatten(0, 1), grid.flatten(0, 1), mode="bilinear", padding_mode="border", align_corners=align_corners
    )
    return sampled.unflatten(0, source.shape[:2])


def synthesize_view(
    source: Tensor, depth: Tensor, K_target: Tensor, K_source: Tensor, T: Tensor, align_corners: bool = True
) -> tuple[Tensor, Tensor]:
    """The target's view seen in the sources: warped (B, S, C, H, W) and inside (B, S, 1, H, W) bool.

    Args:
        source: (B, S, C, H, W).
        depth: (B, 1, H, W) of the target.
        K_target: (B, 3, 3), pixels.
        K_source: (B, S, 3, 3), pixels.
        T: (B, S, 4, 4), target camera to source camera, in the unit of the depth.
    """
    rays, offset = projection_rays(K_target, K_source, T, *depth.shape[-2:])
    grid, inside = sampling_grid(depth, rays, offset)
    return warp(source, grid, align_corners), inside
