"""Hints from where things stand: upright things are as far as the ground at their foot (our addition to semhint 2.6).

Planes cannot propose what thin things lack: once a pole has taken the depth of what is behind it, no part of its region
is right. The ground in front of its foot is, and the inverse depth of upright surfaces does not change along a column
of an image whose camera looks level.
"""

import torch
from torch import Tensor

REACH = 2
"""Rows from the foot to the ground that is trusted: depth is blurred where things meet."""


@torch.no_grad()
def contact_candidates(q: Tensor, labels: Tensor, ground: Tensor, standing: Tensor, foreground: Tensor) -> Tensor:
    """Inverse depth of the ground at the foot of each pixel's column, carried on along the ground's slope.

    The foot is where the column, on its way down, leaves the pixel's label; foreground stands on foreground (a sign on
    its pole). No candidate where what is below the foot is not ground.

    Args:
        q: (B, 1, H, W) inverse depth, positive.
        labels: (B, H, W) int64.
        ground: (B, H, W) bool, what things stand on.
        standing: (B, H, W) bool, upright things, which get candidates.
        foreground: (B, H, W) bool, things of which one may stand on another.

    Returns:
        (B, 1, H, W), NaN where there is none.
    """
    height = labels.shape[-2]
    things = labels.masked_fill(foreground, -1)
    row = torch.arange(height, device=labels.device)[:, None]
    leaves = torch.full_like(labels, height)  # the row below, where it is of another thing
    leaves[:, :-1] = torch.where(things[:, 1:] != things[:, :-1], row[1:], height)
    below = leaves.flip(1).cummin(dim=1).values.flip(1)  # first row below the thing
    near, far = ((below + reach).clamp(max=height - 1) for reach in (REACH, 2 * REACH))
    value_near, value_far = (q[:, 0].gather(1, rows) for rows in (near, far))
    stands = standing & (below + 2 * REACH < height)
    for rows in (below.clamp(max=height - 1), near, far):
        stands &= ground.gather(1, rows)
    foot = 2 * value_near - value_far
    return torch.where(stands & (foot > 0), foot, torch.nan)[:, None]
