"""Where the pixels of a frame lie in an earlier or later frame, over any number of steps between neighbours.

Motions are composed, pictures and labels never: a label that was carried over thirty frames is resampled once.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Track:
    """The way from a frame back to the frame where the track began (its *key*). Pixels; x first.

    Attributes:
        position: (2, H, W), where this frame's pixels lie in the key.
        forward: (2, H, W), where the key's pixels lie in this frame.
        error: (H, W), sum over the steps of the distance by which a step there and back misses its start; infinite
            where the way left the picture.
        steps: how many steps it has.
    """

    position: Tensor
    forward: Tensor
    error: Tensor
    steps: int = 0

    def cycle(self) -> Tensor:
        """(H, W): by how many pixels the whole way to the key and back misses its start."""
        return (sample(self.forward, self.position) - pixel_positions(self.error)).square().sum(0).sqrt()


def begin(height: int, width: int) -> Track:
    """The track of a key to itself."""
    still = torch.zeros(height, width)
    return Track(pixel_positions(still), pixel_positions(still), still)


def advance(track: Track, back: Tensor, ahead: Tensor) -> Track:
    """The track of the next frame.

    Args:
        track: of a frame.
        back: (2, H, W), flow from the next frame to this frame.
        ahead: (2, H, W), flow from this frame to the next one.
    """
    height, width = track.error.shape
    step = pixel_positions(back) + back
    missed = missed_start(back, ahead)
    limit = torch.tensor([width - 1.0, height - 1.0]).view(2, 1, 1)
    outside = ((step < -0.5) | (step > limit + 0.5)).any(0)
    before = sample(torch.cat([track.position, track.error.nan_to_num(posinf=_FAR)[None]]), step)
    error = torch.where(outside | (before[2] > _FAR / 4), torch.inf, before[2] + missed)
    forward = track.forward + sample(ahead, track.forward)
    return Track(before[:2], forward, error, track.steps + 1)


def missed_start(ahead: Tensor, back: Tensor) -> Tensor:
    """(H, W): by how many pixels a flow (2, H, W) to another frame and the flow back from it miss their start."""
    return (ahead + sample(back, pixel_positions(ahead) + ahead)).square().sum(0).sqrt()


def is_cut(ahead: Tensor, back: Tensor) -> bool:
    """Whether next to nothing of a flow (2, H, W) to another frame comes back: the two are not of one video."""
    limit = _CONSISTENT * max(1.0, ahead.shape[-1] / _WIDTH)
    return float((missed_start(ahead, back) < limit).float().mean()) < _CUT


_CONSISTENT = 1.5
"""Pixels, of frames no wider than ``_WIDTH``; of wider ones more in proportion, or fast video looks like cuts there."""
_WIDTH = 320
_CUT = 0.2
_FAR = 1e6
"""Stands for infinity where errors are interpolated."""


def pixel_positions(like: Tensor) -> Tensor:
    """(2, H, W): each pixel's own place in a map (..., H, W), x first."""
    rows, columns = (torch.arange(size, dtype=torch.float32, device=like.device) for size in like.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y])


def sample(values: Tensor, position: Tensor) -> Tensor:
    """Bilinear samples (C, H, W) of values (C, h, w) at positions (2, H, W) in pixels; the border goes on outside."""
    size = torch.tensor([values.shape[-1], values.shape[-2]], dtype=position.dtype).view(2, 1, 1)
    grid = (position / (size - 1).clamp(min=1) * 2 - 1).permute(1, 2, 0)[None]
    return F.grid_sample(values[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
