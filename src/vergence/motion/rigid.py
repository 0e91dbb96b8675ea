"""Motion of what stands still, from depth and the camera's own motion, and the choice between it and optical flow."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.geometry.warp import projection_rays, sampling_grid
from vergence.motion.track import missed_start, pixel_positions, sample

_WINDOW = 5
_PER_PIXEL = 0.01
"""Difference of colour (of 1, mean over the window) that counts as much as missing the start by a pixel."""
_MOST_MISSED = 8.0
"""Pixels; farther is wrong either way."""


def rigid_flow(depth: Tensor, intrinsics: Tensor, transform: Tensor) -> Tensor:
    """Flow (2, H, W) in pixels to another view of a still scene; what does not project into it points far outside.

    Args:
        depth: (H, W) of this view, in the unit of the translation.
        intrinsics: (3, 3) pixels, of both views.
        transform: (4, 4), points of this camera to the other one.
    """
    height, width = depth.shape
    rays, offset = projection_rays(intrinsics[None], intrinsics[None, None], transform[None, None], height, width)
    grid, _ = sampling_grid(depth[None, None], rays, offset)
    size = torch.tensor([width - 1.0, height - 1.0], dtype=grid.dtype).view(2, 1, 1)
    position = (grid[0, 0].permute(2, 0, 1) + 1) / 2 * size
    flow = position.float() - pixel_positions(depth)
    reach = 2.0 * max(height, width)
    behind = rays[0, 0, 2] * depth + offset[0, 0, 2] <= 0
    return torch.where(behind, reach, flow.nan_to_num(reach).clamp(-reach, reach))


def better_explained(flow: tuple[Tensor, Tensor], rigid: tuple[Tensor, Tensor], frame: Tensor, other: Tensor) -> Tensor:
    """The motion (2, H, W) of each pixel to another frame, out of two, that explains more.

    What is explained less has other colours there, or does not come back to where it began. Colours alone cannot tell
    on what has none, and learned depth is wrong there as often as flow.

    Args:
        flow: of anything, (2, H, W) each: from the frame to the other one, and back from that.
        rigid: of what stands still, likewise.
        frame, other: (3, H, W) in [0, 1].
    """
    pixels = pixel_positions(frame)
    errors = []
    for ahead, back in (flow, rigid):
        colour = F.avg_pool2d((sample(other, pixels + ahead) - frame).abs().mean(0)[None], _WINDOW, 1, _WINDOW // 2)[0]
        errors.append(colour + _PER_PIXEL * missed_start(ahead, back).clamp(max=_MOST_MISSED))
    return torch.where(errors[1] <= errors[0], rigid[0], flow[0])
