"""Depth judged by view synthesis: how well it explains a frame from its neighbours (Monodepth2; three_ways 2.2, 2.3).

Earlier and later frames are joined by a pose network, the stereo partner by the known baseline.
"""

from typing import cast

import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions, offset_name
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth, resize_inverse_depth
from vergence.losses.photometric import tie_break_noise
from vergence.losses.self_supervised import Synthesis, Views, kept_pixels, prepare_views, self_supervised_loss
from vergence.losses.tensors import full_precision
from vergence.methods.base import Method
from vergence.methods.panels import Exhibit, Shown
from vergence.methods.view_synthesis_config import ViewSynthesisConfig
from vergence.models.depth_network import build_pose_network
from vergence.models.pose import IntrinsicsHead, PoseCNN, PoseNetwork, moved_camera
from vergence.settings.losses import ViewLossOptions
from vergence.settings.networks import Normalization

COARSER = "coarser_inverse_depth"
"""What a network says of inverse depth at its second finest scale."""
MASKED = (
    "is what auto-masking removed: pixels that the unmoved neighbour explains as well as the warped one (standing "
    "camera, things that move along, surfaces without texture)."
)
"""Caption of the colour of what was left out."""


class ViewSynthesis:
    """What a method has that learns depth by view synthesis: a pose network, and the losses of disparities.

    It is no module: :meth:`join` gives the method its networks, under the names that they are stored by.

    Args:
        config: settings.
        options: how frames are made; ``offsets`` says which sources there are.
        normalization: of the pose network's input.
        seed: of the tie-breaking noise.

    Raises:
        InputError: no source frames, or a pose network that cannot be built.
    """

    def __init__(
        self, config: ViewSynthesisConfig, options: FrameOptions, normalization: Normalization, seed: int
    ) -> None:
        self.config, self.offsets, self.seed = config, tuple(options.offsets), seed
        if not self.offsets:
            raise InputError("depth is learned from source frames and offsets is empty; give e.g. [-1, 1] or ['s'].")
        self.pose: PoseNetwork | PoseCNN | None = None
        self.intrinsics_head: IntrinsicsHead | None = None
        if any(offset != "s" for offset in self.offsets):
            self.pose = build_pose_network(config.pose, normalization)
            if config.learn_intrinsics != "off":
                self.intrinsics_head = IntrinsicsHead(self.pose.feature_channels)

    def join(self, method: Method) -> None:
        """Make the networks parts of the method (a source of another moment needs any), and tell its unit of depth."""
        for name, network in (("pose", self.pose), ("intrinsics_head", self.intrinsics_head)):
            setattr(method, name, network)
        method.metres_per_unit = self.config.metres_per_unit
        method.scale = "metric" if "s" in self.offsets else "unscaled"

    def losses(self, disparities: dict[int, Tensor], batch: Batch, step: int) -> dict[str, Tensor]:
        """``photometric`` and ``smoothness`` of disparities by scale, and values to log."""
        return self.seen_losses(disparities, self.views(batch, step))

    def seen_losses(
        self, disparities: dict[int, Tensor], views: Views, finest: Synthesis | None = None
    ) -> dict[str, Tensor]:
        """The same through views at hand; ``finest``: the synthesis of the finest disparity, where it is known."""
        with torch.autocast(views.target.device.type, enabled=False):
            photometric, smoothness, finest = self_supervised_loss(
                {scale: full_precision(disparity) for scale, disparity in disparities.items()},
                views,
                self.config.loss,
                finest=finest,
            )
            scales = len(photometric)
            losses = {
                "photometric": torch.stack(list(photometric.values())).sum() / scales,
                "smoothness": torch.stack(list(smoothness.values())).sum() / scales,
                "_kept": kept_pixels(finest, views).float().mean().detach(),
                "_inverse_depth": finest.inverse_depth.detach().mean(),
            }
            for scale in photometric:
                losses[f"_scale_{scale}"] = (photometric[scale] + smoothness[scale]).detach()
        return losses

    def views(self, batch: Batch, step: int, noise: bool = True) -> Views:
        """Targets, sources and everything the scales share, in full precision but for the pose network."""
        transforms, learned = self.source_transforms(batch)
        frames, intrinsics = batch["frames"], batch["intrinsics"]
        if learned is not None:
            use = batch["intrinsics_known"].logical_not() | (self.config.learn_intrinsics == "all")
            intrinsics = torch.where(use[:, None, None, None], learned[:, None], intrinsics)
        tie_break = None
        if noise and self.config.loss.automask and self.config.tie_break > 0:
            shape = (1, len(self.offsets), *frames.shape[-2:])
            tie_break = tie_break_noise(shape, self.seed, step, frames.device, frames.dtype, self.config.tie_break)
        with torch.autocast(frames.device.type, enabled=False):
            return prepare_views(
                frames[:, 0],
                frames[:, 1:],
                intrinsics[:, 0],
                intrinsics[:, 1:],
                transforms,
                self.config.loss,
                batch["available"][:, 1:],
                tie_break,
            )

    def seen_maps(self, seen: Synthesis, views: Views) -> dict[str, Tensor]:
        """For pictures: ``inverse_depth``, ``error``, ``identity_error``, ``kept`` (B, 1, H, W), ``warped``
        (B, S, 3, H, W)."""
        identity = views.identity_error if views.identity_error is not None else torch.zeros_like(seen.error)
        return {
            "inverse_depth": seen.inverse_depth,
            "error": seen.error,
            "identity_error": identity,
            "kept": kept_pixels(seen, views),
            "warped": seen.warped,
        }

    def pictures(self, batch: Batch, maps: dict[str, Tensor]) -> Exhibit:
        """The mask and the first source that exists, warped: ``kept`` and ``warped`` of :meth:`seen_maps`."""
        which = batch["available"][:, 1:].float().argmax(1).tolist()
        names = [offset_name(self.offsets[source]) for source in which]
        warped = torch.stack([views[source] for views, source in zip(maps["warped"], which, strict=True)])
        pictures = [
            Shown("left out by auto-masking", "left_out", maps["kept"], under=batch["frames"][:, 0]),
            Shown("source, warped", "photograph", warped, [f"{name}, should match the input" for name in names]),
        ]
        return Exhibit(pictures, MASKED)

    def parts(self) -> dict[str, list[nn.Module]]:
        """Modules that only view synthesis needs, by the name of their parameter group."""
        parts = {"pose": self.pose, "intrinsics": self.intrinsics_head}
        return {name: [module] for name, module in parts.items() if module is not None}

    def source_transforms(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Target-to-source transforms (B, S, 4, 4) in training units, and learned intrinsics (B, 3, 3) or None."""
        images = batch["jittered"]
        transforms: list[Tensor] = []
        cameras: list[Tensor] = []
        for index, offset in enumerate(self.offsets, start=1):
            if offset == "s":
                transform = batch["stereo_transform"].clone()
                transform[:, :3, 3] /= self.config.metres_per_unit
            else:
                transform, camera = self._moved_camera(images[:, 0], images[:, index], cast(int, offset))
                cameras += [] if camera is None else [camera]
            transforms.append(transform)
        learned = torch.stack(cameras).mean(dim=0) if cameras else None
        return torch.stack(transforms, dim=1), learned

    def _moved_camera(self, target: Tensor, source: Tensor, offset: int) -> tuple[Tensor, Tensor | None]:
        """Pose of one temporal source: the pair is seen in temporal order, a past frame's transform is inverted."""
        assert self.pose is not None
        transform, features = moved_camera(self.pose, target, source, offset < 0)
        if self.intrinsics_head is None:
            return transform, None
        with torch.autocast(target.device.type, enabled=False):
            return transform, self.intrinsics_head(full_precision(features), target.shape[-2], target.shape[-1])


def check_size(options: FrameOptions, stride: int, encoder: str) -> None:
    """Decoders pad by reflection, which takes two rows and columns at the deepest level (of this stride)."""
    height, width = options.random_crop or (options.height, options.width)
    if min(height, width) <= stride:
        raise InputError(
            f"frames of {width}x{height} are too small for {encoder}; "
            f"use more than {stride} rows and columns, and multiples of {stride} where possible."
        )


def finest_disparity(disparities: dict[int, Tensor], images: Tensor) -> Tensor:
    """The finest disparity (B, 1, H, W) at the size of the images."""
    return resize_inverse_depth(full_precision(disparities[min(disparities)]), images.shape[-2:])


def depth_maps(disparities: dict[int, Tensor], images: Tensor, loss: ViewLossOptions) -> dict[str, Tensor]:
    """What a method predicts of depth, from the disparities of its network by scale.

    ``disparity`` and ``inverse_depth`` (B, 1, H, W), the latter in 1 / training unit, and where there are several
    scales ``coarser_inverse_depth`` (B, 1, h, w) of the second finest, at its own size.
    """
    disparity = finest_disparity(disparities, images)
    maps = {"disparity": disparity, "inverse_depth": disparity_to_depth(disparity, loss.min_depth, loss.max_depth)[0]}
    if len(disparities) > 1:
        coarser = full_precision(disparities[sorted(disparities)[1]])
        maps[COARSER] = disparity_to_depth(coarser, loss.min_depth, loss.max_depth)[0]
    return maps
