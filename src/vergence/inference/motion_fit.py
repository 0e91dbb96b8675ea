"""How long a run's motion is in the unit of its depth: the length under which depth explains the next picture."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.geometry.camera import Camera
from vergence.geometry.warp import synthesize_view
from vergence.inference.networks import RunNetwork
from vergence.losses.photometric import photometric_error

_REACH = math.log(3)
_STEPS = 41
"""Lengths that are tried, from a third of the run's to three times."""


@torch.no_grad()
def fitted_length(
    network: RunNetwork, first: Tensor, second: Tensor, motion: NDArray[np.float64],
    camera: tuple[float, float, float, float],
) -> float:  # fmt: skip
    """By what the length of a motion is multiplied so that it fits the depth; NaN where no length between fits best.

    A pose network and a depth network share a unit only as far as training brought them. So the translation is tried
    at many lengths, each of which takes the first picture to the view of the second by the second's depth, and the one
    of the smallest photometric error counts.

    Args:
        first, second: prepared pictures (3, h, w).
        motion: (4, 4), points of the first camera to the second.
        camera: fx, fy, cx, cy normalised by width and height.
    """
    depth = 1 / network.maps([second])["inverse_depth"].float().clamp(min=1e-6)
    images = network.images([first, second])
    intrinsics = Camera.from_normalized(*camera, images.shape[-1], images.shape[-2]).matrix().to(images)[None]
    shares = torch.linspace(-_REACH, _REACH, _STEPS, device=images.device).exp()
    back = torch.from_numpy(np.linalg.inv(motion)).to(images).repeat(_STEPS, 1, 1)
    back[:, :3, 3] *= shares[:, None]
    views, inside = synthesize_view(
        images[:1, None].expand(-1, _STEPS, -1, -1, -1), depth, intrinsics,
        intrinsics[:, None].expand(-1, _STEPS, -1, -1), back[None],
    )  # fmt: skip
    errors = photometric_error(views, images[1:])[0]
    seen = inside[0, :, 0]
    curve = ((errors * seen).sum((1, 2)) / seen.sum((1, 2)).clamp(min=1)).double().cpu().numpy()
    return _lowest(curve)


def _lowest(curve: NDArray[np.float64]) -> float:
    """The share at the lowest point, by a parabola through it and its neighbours."""
    best = int(np.argmin(curve))
    if best in (0, len(curve) - 1):
        return math.nan
    left, middle, right = curve[best - 1 : best + 2]
    bent = left - 2 * middle + right
    vertex = best + (0.5 * (left - right) / bent if bent > 0 else 0.0)
    return math.exp(_REACH * (2 * vertex / (len(curve) - 1) - 1))
