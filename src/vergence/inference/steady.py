"""Depth of a video that does not flicker: each frame joined to the one before it by the run's own depth and motion."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.errors import InputError
from vergence.geometry.camera import Camera
from vergence.geometry.pose import invert_transform, transform_from_parameters
from vergence.geometry.warp import projection_rays, sampling_grid, warp
from vergence.inference.frame_streams import Frame
from vergence.inference.networks import Network, RunNetwork

Steady = Literal["none", "scale", "filter"]
"""What is done against flicker: nothing, one factor a frame, or that and a blend with the last depth."""
_LEAK = 0.2
"""Share of the correction of scale that each frame gives up, so that errors of motion cannot add up."""
_LARGEST_STEP = math.log(1.5)
"""Neighbouring frames that disagree more show another scene."""
_LEAST_SEEN = 0.2
"""Share of the pixels that both frames must show alike."""
_COLOUR = 0.1
"""Mean difference of colour (of 1) by which what is seen counts as something else."""
_DEPTH = 0.15
"""Difference of log depth by which the last depth counts as of something else (hidden, moving)."""
_BLEND = 0.7
"""Share of the last depth where everything agrees."""


@dataclass(frozen=True)
class Last:
    """The frame before: picture (1, 3, h, w), depth as it was written (1, 1, h, w) in the network's unit."""

    image: Tensor
    depth: Tensor


class Steadier:
    """Frames in order, each with its maps; keep one for a video.

    Args:
        network: a run that learned from video, so that it knows motion.
        mode: "scale" or "filter".

    Raises:
        InputError: a network without depth or without motion.
    """

    def __init__(self, network: Network, mode: Steady, field_of_view: float) -> None:
        if not isinstance(network, RunNetwork) or "depth" not in network.tasks:
            raise InputError(f"steady needs a run that predicts depth, and {network.name} is none; leave it out.")
        if getattr(network.method, "pose", None) is None:
            raise InputError(f"{network.name} has no pose network (it learned from stereo alone); leave steady out.")
        self.network, self.mode, self.field_of_view = network, mode, field_of_view
        self.last: Last | None = None

    def __call__(self, looked_at: Iterable[tuple[tuple[Frame, Tensor], Any]]) -> Iterator[tuple[Frame, Any]]:
        """Frames and their maps, ``inverse_depth`` (1, h, w) replaced."""
        for (frame, prepared), maps in looked_at:
            yield frame, maps | {"inverse_depth": self.steadied(frame, prepared, maps["inverse_depth"])}

    @torch.no_grad()
    def steadied(self, frame: Frame, prepared: Tensor, inverse_depth: Tensor) -> Tensor:
        """Inverse depth (1, h, w) of a frame, joined to the last one where the frame follows it."""
        image = self.network.images([prepared])
        depth = 1 / inverse_depth[None].float().clamp(min=1e-6)
        if self.last is not None and frame.follows and self.last.image.shape == image.shape:
            motion = self._motion(self.last.image, image)
            depth = joined(depth, image, self.last, motion, self._intrinsics(frame, image), self.mode == "filter")
        self.last = Last(image, depth)
        return (1 / depth)[0].to(inverse_depth.dtype)

    def _motion(self, before: Tensor, now: Tensor) -> Tensor:
        pose: Any = self.network.method.pose
        axis_angle, translation, *_ = pose(torch.stack((before, now), dim=1))
        return transform_from_parameters(axis_angle.float(), translation.float()).reshape(1, 4, 4)

    def _intrinsics(self, frame: Frame, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        camera = Camera.from_normalized(*frame.camera_or_guess(self.field_of_view), width, height)
        return camera.matrix().to(image)


def joined(depth: Tensor, image: Tensor, last: Last, motion: Tensor, intrinsics: Tensor, blend: bool) -> Tensor:
    """Depth (1, 1, h, w) of a frame, scaled so that it fits the last one's, and blended with it.

    Args:
        image: (1, 3, h, w) in [0, 1].
        motion: (1, 4, 4), points of the last camera to this one, in the unit of the depth.
        intrinsics: (3, 3), pixels.
        blend: also mix with the last depth, brought here by the motion, where both show the same.
    """
    there = _Reprojected(depth, image, last, motion, intrinsics)
    alike = there.alike > math.exp(-1)
    if alike.float().mean() < _LEAST_SEEN:
        return depth
    step = float((there.last_depth.log() - there.depth.log())[alike].median())
    if not abs(step) < _LARGEST_STEP:
        return depth
    depth = depth * math.exp((1 - _LEAK) * step)
    if not blend:
        return depth
    there = _Reprojected(depth, image, last, motion, intrinsics)
    difference = there.arriving.clamp(min=1e-6).log() - depth.log()
    weight = _BLEND * there.alike * torch.exp(-difference.abs() / _DEPTH) * (there.arriving > 0)
    return (depth.log() + weight * difference).exp()


class _Reprojected:
    """The pixels of a frame in the last one, each map (1, 1, h, w).

    ``depth``: of them in the last camera, as this frame has it. ``last_depth``: what the last frame said there.
    ``arriving``: the same in this camera. ``alike``: 1 where both pictures show the same colours, 0 outside.
    """

    def __init__(self, depth: Tensor, image: Tensor, last: Last, motion: Tensor, intrinsics: Tensor) -> None:
        height, width = depth.shape[-2:]
        cameras = intrinsics[None]
        back = invert_transform(motion)[:, None]
        rays, offset = projection_rays(cameras, cameras[:, None], back, height, width)
        grid, inside = sampling_grid(depth, rays, offset)
        self.depth = (depth[:, None] * rays[:, :, 2:] + offset[:, :, 2:])[:, 0].clamp(min=1e-6)
        self.last_depth = warp(last.depth[:, None], grid)[:, 0]
        colours = (warp(last.image[:, None], grid)[:, 0] - image).abs().mean(1, keepdim=True)
        near = F.avg_pool2d(colours, 5, 1, 2, count_include_pad=False)
        self.alike = torch.exp(-near / _COLOUR) * inside[:, 0]
        x = (grid[:, 0, None, ..., 0] + 1) * (width - 1) / 2
        y = (grid[:, 0, None, ..., 1] + 1) * (height - 1) / 2
        across, down = (x - intrinsics[0, 2]) / intrinsics[0, 0], (y - intrinsics[1, 2]) / intrinsics[1, 1]
        turned = motion[:, 2, 0] * across + motion[:, 2, 1] * down + motion[:, 2, 2]
        self.arriving = self.last_depth * turned + motion[:, 2, 3]
