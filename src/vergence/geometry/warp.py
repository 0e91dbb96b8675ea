"""View synthesis: where the pixels of the target lie in the sources, and what is seen there.

``T`` maps points of the target camera to a source camera. What does not depend on depth is computed once
(:func:`projection_rays`) and shared by all scales; all sources are sampled in one call.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vergence.geometry.blocks import cache_blocks
from vergence.geometry.camera import EPSILON, invert_intrinsics, pixel_grid


def projection_rays(K_target: Tensor, K_source: Tensor, T: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
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


def resize_projection(rays: Tensor, offset: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Rays and offset of :func:`projection_rays` for target and sources resized to ``size`` (h, w), no larger than now.

    Exact: rays are linear in the target's pixels, and a source's pixel x becomes (x + 1/2) w / W - 1/2.
    """
    smaller = F.interpolate(rays.flatten(0, 1), size, mode="bilinear", align_corners=False).unflatten(0, rays.shape[:2])
    by_x, by_y = size[1] / rays.shape[-1], size[0] / rays.shape[-2]

    def resized(homogeneous: Tensor) -> Tensor:
        x, y, z = homogeneous.split(1, dim=2)
        return torch.cat([x * by_x + z * ((by_x - 1) / 2), y * by_y + z * ((by_y - 1) / 2), z], dim=2)

    return resized(smaller), resized(offset)


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
    dtype = torch.float64 if torch.float64 in (depth.dtype, rays.dtype) else torch.float32
    project = _traced_grid if torch.compiler.is_compiling() else _SamplingGrid.apply
    grid, inverse_z = project(depth.to(dtype), rays.to(dtype), offset.to(dtype))
    with torch.no_grad():
        inside = (grid.abs() <= 1).all(dim=2, keepdim=True) & (inverse_z > 0)
    return grid.permute(0, 1, 3, 4, 2), inside


class _SamplingGrid(torch.autograd.Function):
    """Grid (B, S, 2, H, W) and 1 / z (B, S, 1, H, W) of ``depth * rays + offset``; the gradient flows from the grid.

    By hand because it runs at every scale: three times faster than the recorded operations, and three maps are kept.
    """

    @staticmethod
    def forward(ctx: Any, depth: Tensor, rays: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        grid, inverse_z = torch.empty_like(rays[:, :, :2]), torch.empty_like(rays[:, :, 2:])
        for block in cache_blocks(rays):
            distance, ray, shift = depth[block, None], rays[block], offset[block]
            z = torch.mul(ray[:, :, 2:], distance, out=inverse_z[block])
            z.add_(shift[:, :, 2:]).add_(EPSILON).reciprocal_()
            for axis, size in enumerate((rays.shape[-1], rays.shape[-2])):
                pixel = torch.mul(ray[:, :, axis : axis + 1], distance, out=grid[block, :, axis : axis + 1])
                pixel.add_(shift[:, :, axis : axis + 1]).mul_(z).mul_(2 / max(size - 1, 1)).sub_(1)
        ctx.save_for_backward(depth, rays, grid, inverse_z)
        ctx.mark_non_differentiable(inverse_z)
        return grid, inverse_z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        depth, rays, grid, inverse_z = ctx.saved_tensors
        by_point, by_depth = torch.empty_like(rays), torch.empty_like(depth)
        by_offset = rays.new_empty(*rays.shape[:3], 1, 1)
        for block in cache_blocks(rays):
            point = by_point[block]
            x, y, z = point.split(1, dim=2)
            half_x, half_y = max(rays.shape[-1] - 1, 1) / 2, max(rays.shape[-2] - 1, 1) / 2
            torch.mul(gradient[block, :, :1], inverse_z[block], out=x).mul_(1 / half_x)
            torch.mul(gradient[block, :, 1:], inverse_z[block], out=y).mul_(1 / half_y)
            torch.mul(grid[block, :, :1].add(1), x, out=z).mul_(-half_x)  # z moves pixels by themselves over z
            z.addcmul_(grid[block, :, 1:].add(1), y, value=-half_y)
            by_depth[block] = (point * rays[block]).sum(dim=(1, 2))[:, None]
            torch.sum(point, dim=(3, 4), keepdim=True, out=by_offset[block])
            point.mul_(depth[block, None])
        return by_depth, by_point, by_offset


def _traced_grid(depth: Tensor, rays: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """What :class:`_SamplingGrid` computes, in operations that a compiler can fuse and differentiate."""
    x, y, z = (rays * depth[:, None] + offset).unbind(dim=2)
    inverse_z = (z + EPSILON).reciprocal()
    height, width = rays.shape[-2:]
    x, y = x * inverse_z * (2 / max(width - 1, 1)) - 1, y * inverse_z * (2 / max(height - 1, 1)) - 1
    return torch.stack((x, y), dim=2), inverse_z[:, :, None]


def warp(source: Tensor, grid: Tensor, align_corners: bool = True) -> Tensor:
    """Bilinear samples of the sources with border padding; all sources in one call, in the precision of the grid.

    Args:
        source: (B, S, C, H, W).
        grid: (B, S, H', W', 2) in [-1, 1].
        align_corners: True fits the grid of :func:`sampling_grid`; False reproduces programs that ran on a library
            whose default had changed.

    Returns:
        (B, S, C, H', W'); all NaN on a CPU if any position is.

    Example:
        >>> grid = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3, 1).expand(1, 1, 1, 3, 2)
        >>> warp(torch.tensor([[1.0, 3.0], [1.0, 3.0]]).view(1, 1, 1, 2, 2), grid).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    if source.dim() != 5 or grid.dim() != 5 or grid.shape[-1] != 2 or source.shape[:2] != grid.shape[:2]:
        raise ValueError(
            "warp: expected source (B, S, C, H, W) and grid (B, S, H', W', 2), received "
            f"{tuple(source.shape)} and {tuple(grid.shape)}"
        )
    images, positions = source.flatten(0, 1).to(grid.dtype), grid.flatten(0, 1)
    if grid.device.type == "cpu" and not torch.compiler.is_compiling() and positions.detach().isnan().any():
        # PyTorch's CPU kernel reads outside its memory there. What has diverged shall say so, not crash.
        return source.new_full((*source.shape[:3], *grid.shape[2:4]), torch.nan)
    sampled = F.grid_sample(images, positions, mode="bilinear", padding_mode="border", align_corners=align_corners)
    return sampled.unflatten(0, source.shape[:2]).to(source.dtype)


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

    Example:
        >>> K = torch.tensor([[50.0, 0.0, 3.5], [0.0, 50.0, 2.5], [0.0, 0.0, 1.0]])[None]
        >>> source, depth = torch.rand(1, 1, 3, 6, 8), torch.full((1, 1, 6, 8), 4.0)
        >>> warped, inside = synthesize_view(source, depth, K, K[None], torch.eye(4)[None, None])
        >>> torch.allclose(warped, source, atol=1e-4), warped.shape
        (True, torch.Size([1, 1, 3, 6, 8]))
    """
    rays, offset = projection_rays(K_target, K_source, T, *depth.shape[-2:])
    grid, inside = sampling_grid(depth, rays, offset)
    return warp(source, grid, align_corners), inside
