"""Motion of what stands still, from depth and the camera's own motion, and the choice between it and optical flow."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.warp import projection_rays, sampling_grid
from vergence.motion.track import pixel_positions, sample

_WINDOW = 5
_PREFERENCE = 0.01
"""By how much (of 1, mean over the window) flow must explain a pixel better: geometry does not drift."""


def rigid_flow(depth: Tensor, intrinsics: Tensor, transform: Tensor) -> Tensor:
    """Flow (2, H, W) in pixels to another view of a still scene; what does not project into it points far outside.

    Args:
        depth: (H, W) of this view, in the unit of the translation.
        intrinsics: (3, 3) pixels, of both views.
        transform: (4, 4), points of this camera to the other one.
    """
    height, width = depth.shape
    rays, offset = projection_rays(intrinsics[None], intrinsics[None, None], transform[None, None], height, width)
    grid, inside = sampling_grid(depth[None, None], rays, offset)
    size = torch.tensor([width - 1.0, height - 1.0], dtype=grid.dtype).view(2, 1, 1)
    position = (grid[0, 0].permute(2, 0, 1) + 1) / 2 * size
    flow = position.float() - pixel_positions(depth)
    reach = 2.0 * max(height, width)
    behind = ~inside[0, 0, 0] & ~flow.isfinite().all(0)
    return torch.where(behind, reach, flow.nan_to_num(reach).clamp(-reach, reach))


def better_explained(flow: Tensor, rigid: Tensor, frame: Tensor, other: Tensor) -> Tensor:
    """The flow of each pixel, out of two (2, H, W), that finds the more similar colours in the other frame.

    Args:
        flow: of anything.
        rigid: of what stands still.
        frame, other: (3, H, W) in [0, 1], where the flows begin and end.
    """
    pixels = pixel_positions(flow)
    errors = [
        F.avg_pool2d((sample(other, pixels + way) - frame).abs().mean(0)[None], _WINDOW, 1, _WINDOW // 2)[0]
        for way in (flow, rigid)
    ]
    wins = errors[1] <= errors[0] + _PREFERENCE
    return torch.where(wins, rigid, flow)
