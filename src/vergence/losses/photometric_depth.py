"""The self-supervised loss of depth as one call, for training of one's own."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, overload

import torch
from torch import Tensor

from vergence.errors import InputError
from vergence.losses.self_supervised import kept_pixels, prepare_views, self_supervised_loss
from vergence.settings.losses import ViewLossOptions

Disparities = Tensor | Mapping[int, Tensor] | Sequence[Tensor]


class PhotometricDepthLoss(NamedTuple):
    """The loss and what it is made of."""

    loss: Tensor
    """Scalar: photometric + smoothness."""
    photometric: Tensor
    """Scalar, mean over the scales."""
    smoothness: Tensor
    """Scalar, weighted, mean over the scales."""
    depth: Tensor
    """(B, 1, H, W) of the finest scale."""
    warped: Tensor
    """(B, S, 3, H, W), the sources as seen from the target."""
    error: Tensor
    """(B, 1, H, W), the photometric error after reduction over the sources."""
    kept: Tensor
    """(B, 1, H, W) bool, the pixels that teach depth."""


@overload
def photometric_depth_loss(
    disparity: Disparities, target: Tensor, sources: Tensor | Sequence[Tensor], intrinsics: Tensor,
    poses: Tensor | Sequence[Tensor], *, source_intrinsics: Tensor | None = None,
    options: ViewLossOptions | None = None, available: Tensor | None = None, noise: Tensor | None = None,
    parts: Literal[False] = False,
) -> Tensor: ...  # fmt: skip


@overload
def photometric_depth_loss(
    disparity: Disparities, target: Tensor, sources: Tensor | Sequence[Tensor], intrinsics: Tensor,
    poses: Tensor | Sequence[Tensor], *, source_intrinsics: Tensor | None = None,
    options: ViewLossOptions | None = None, available: Tensor | None = None, noise: Tensor | None = None,
    parts: Literal[True],
) -> PhotometricDepthLoss: ...  # fmt: skip


def photometric_depth_loss(
    disparity: Disparities,
    target: Tensor,
    sources: Tensor | Sequence[Tensor],
    intrinsics: Tensor,
    poses: Tensor | Sequence[Tensor],
    *,
    source_intrinsics: Tensor | None = None,
    options: ViewLossOptions | None = None,
    available: Tensor | None = None,
    noise: Tensor | None = None,
    parts: bool = False,
) -> Tensor | PhotometricDepthLoss:
    """How badly a depth explains a frame from others: minimum photometric error, auto-masked, and smoothness.

    Source: Godard et al., "Digging into Self-Supervised Monocular Depth Estimation" (ICCV 2019), section 3.

    Args:
        disparity: sigmoid output (B, 1, h, w) in [0, 1], or several scales of it: a list from fine to coarse, or by
            scale; ``options.min_depth`` and ``max_depth`` say which depths 1 and 0 are.
        target: (B, 3, H, W) in [0, 1], without colour augmentation.
        sources: (B, S, 3, H, W), or a list of S images (B, 3, H, W).
        intrinsics: (3, 3) or (B, 3, 3) of the target, in pixels of its size.
        poses: (B, S, 4, 4), or a list of S transforms (B, 4, 4), target camera to source camera, in the depth's unit;
            as of :meth:`vergence.models.PoseNetwork.transform`.
        source_intrinsics: (B, S, 3, 3); default the target's.
        options: constants of the loss; default Monodepth2's.
        available: (B, S) bool; sources that do not exist never count.
        noise: broadcastable to (B, S, H, W), added to the errors of the un-warped sources to break ties.
        parts: give everything, not the scalar alone.

    Raises:
        InputError: shapes that do not belong together.

    A camera that stands still explains a frame by itself:

    >>> frame = torch.rand(1, 3, 32, 64)
    >>> intrinsics = torch.tensor([[40.0, 0, 31.5], [0, 40.0, 15.5], [0, 0, 1]])
    >>> flat = torch.full((1, 1, 32, 64), 0.1)
    >>> photometric_depth_loss(flat, frame, [frame], intrinsics, [torch.eye(4)[None]])
    tensor(0.)
    """
    options = options or ViewLossOptions()
    scales = _scales(disparity)
    images = sources if isinstance(sources, Tensor) else torch.stack(list(sources), dim=1)
    transforms = poses if isinstance(poses, Tensor) else torch.stack(list(poses), dim=1)
    _check(scales, target, images, transforms)
    batch, count = images.shape[:2]
    camera = intrinsics.expand(batch, 3, 3) if intrinsics.shape == (3, 3) else intrinsics
    if camera.shape != (batch, 3, 3):
        raise InputError(
            f"photometric_depth_loss: intrinsics have shape {tuple(intrinsics.shape)}, expected (3, 3) or "
            f"{(batch, 3, 3)}."
        )
    cameras = camera[:, None].expand(batch, count, 3, 3) if source_intrinsics is None else source_intrinsics
    views = prepare_views(target, images, camera, cameras, transforms, options, available, noise)
    photometric, smoothness, finest = self_supervised_loss(scales, views, options)
    means = [torch.stack(list(terms.values())).mean() for terms in (photometric, smoothness)]
    if not parts:
        return means[0] + means[1]
    mask = kept_pixels(finest, views)
    return PhotometricDepthLoss(
        means[0] + means[1], means[0], means[1], 1 / finest.inverse_depth, finest.warped, finest.error, mask
    )


def _scales(disparity: Disparities) -> dict[int, Tensor]:
    if isinstance(disparity, Tensor):
        return {0: disparity}
    scales = dict(disparity) if isinstance(disparity, Mapping) else dict(enumerate(disparity))
    if not scales:
        raise InputError("photometric_depth_loss: no disparity is given, expected (B, 1, h, w) or several scales.")
    return scales


def _check(scales: Mapping[int, Tensor], target: Tensor, sources: Tensor, poses: Tensor) -> None:
    if target.ndim != 4 or target.shape[1] != 3:
        raise InputError(
            f"photometric_depth_loss: target has shape {tuple(target.shape)}, expected (B, 3, H, W) in [0, 1]."
        )
    batch, count = len(target), sources.shape[1] if sources.ndim == 5 else 0
    wanted = {
        "sources": (sources.shape, (batch, count or "S", *target.shape[1:])),
        "poses": (poses.shape, (batch, count or "S", 4, 4)),
        **{f"disparity {scale}": (one.shape, (batch, 1, *one.shape[-2:])) for scale, one in scales.items()},
    }
    for name, (shape, expected) in wanted.items():
        if tuple(shape) != tuple(expected):
            text = ", ".join(map(str, expected))
            raise InputError(f"photometric_depth_loss: {name} has shape {tuple(shape)}, expected ({text}).")
