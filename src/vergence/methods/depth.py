"""Self-supervised depth from video and stereo (Monodepth2; phases A and B of Three Ways, section 2).

The target frame's depth is judged by how well it explains the target from its neighbours: earlier and later frames
through a pose network, the stereo partner through the known baseline.
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth
from vergence.geometry.pose import transform_from_parameters
from vergence.losses.depth import feature_distance
from vergence.losses.photometric import tie_break_noise
from vergence.losses.self_supervised import (
    ViewLossOptions,
    Views,
    kept_pixels,
    prepare_views,
    self_supervised_loss,
    synthesize,
)
from vergence.methods.base import Method, trainable
from vergence.models.depth_network import (
    DepthNetwork,
    DepthNetworkConfig,
    PoseConfig,
    build_depth_network,
    build_pose_network,
)
from vergence.models.freeze import freeze, freeze_batchnorm
from vergence.models.pose import IntrinsicsHead, PoseCNN, PoseNetwork
from vergence.models.pretrained import load_parts


@dataclass
class DepthConfig:
    """Settings of self-supervised depth."""

    network: DepthNetworkConfig = field(default_factory=DepthNetworkConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)
    loss: ViewLossOptions = field(default_factory=ViewLossOptions)
    metres_per_unit: float = 5.4
    """Metres in one training unit, used with a stereo baseline (5.4 makes KITTI's 0.54 m the published 0.1)."""
    tie_break: float = 1e-5
    """Standard deviation of the noise that breaks ties between identity errors."""
    feature_distance: float = 0.0
    """Weight of the distance to the initial encoder's bottleneck features (Three Ways phase B: 0.01).

    Initial means with ``network.weights``, or, where these are none, with what ``initialize_from`` brings."""
    freeze_encoder: bool = False
    """Keep the encoder at its initial weights (Three Ways phase A)."""
    freeze_batchnorm: bool = False
    """Keep the encoders' batch norm statistics and affine parameters fixed."""
    learn_intrinsics: Literal["off", "unknown", "all"] = "off"
    """Predict the camera: never, where the manifest has none, or for every frame."""
    initialize_from: str | None = None
    """A run folder or weights file to start from, after the network's own weights."""
    initialize_parts: tuple[str, ...] = ("encoder", "decoder", "pose")
    """Which parts are taken from there."""

    def for_loading(self, keep_reference: bool = False) -> "DepthConfig":
        """The same networks without initial weights: what a stored run is rebuilt from before its weights are read.

        ``keep_reference`` keeps the frozen encoder of the feature distance, which only resuming needs.
        """
        return replace(
            self,
            network=replace(self.network, weights="none"),
            pose=replace(self.pose, weights="none"),
            feature_distance=self.feature_distance if keep_reference else 0.0,
            initialize_from=None,
        )


class DepthMethod(Method):
    """Depth and pose networks trained by view synthesis.

    Args:
        config: settings.
        options: how frames are made; ``offsets`` says which sources there are.
        seed: of the tie-breaking noise.

    Raises:
        InputError: no source frames, no disparity scale, frames too small, or a network that cannot be built.
    """

    roles = ("unlabelled",)

    def __init__(self, config: DepthConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        self.config, self.offsets, self.seed = config, tuple(options.offsets), seed
        if not self.offsets:
            raise InputError("depth is learned from source frames and offsets is empty; give e.g. [-1, 1] or ['s'].")
        if not config.network.scales:
            raise InputError("network.scales is empty; give at least [0].")
        self.network: DepthNetwork = build_depth_network(config.network)
        self._check_size(options)
        self.pose: PoseNetwork | PoseCNN | None = None
        if any(offset != "s" for offset in self.offsets):
            self.pose = build_pose_network(config.pose, config.network.normalization)
        self.intrinsics_head = None
        if config.learn_intrinsics != "off" and self.pose is not None:
            self.intrinsics_head = IntrinsicsHead(self.pose.feature_channels)
        self.reference: nn.Module | None = None
        if config.feature_distance > 0:  # a copy: the same weights, wherever they came from
            self.reference = freeze(copy.deepcopy(self.network.encoder))
        if config.freeze_encoder:
            freeze(self.network.encoder, training_mode=True)
        if config.freeze_batchnorm:
            freeze_batchnorm(self.network.encoder)
            if self.pose is not None:
                freeze_batchnorm(self.pose)
        self.metres_per_unit = config.metres_per_unit
        self.scale = "metric" if "s" in self.offsets else "unscaled"

    def _check_size(self, options: FrameOptions) -> None:
        """The decoder pads by reflection, which takes two rows and columns at the deepest level."""
        height, width = options.random_crop or (options.height, options.width)
        deepest = self.network.encoder.strides[-1]
        if min(height, width) <= deepest:
            raise InputError(
                f"frames of {width}x{height} are too small for {self.config.network.encoder}; "
                f"use more than {deepest} rows and columns, and multiples of {deepest} where possible."
            )

    def initialize(self) -> None:
        """Take over weights from ``initialize_from``; InputError if the parts do not fit."""
        if self.config.initialize_from is not None:
            load_parts(self, self.config.initialize_from, self.config.initialize_parts)
            if self.reference is not None and self.config.network.weights == "none":
                self.reference.load_state_dict(self.network.encoder.state_dict())

    def train(self, mode: bool = True) -> "DepthMethod":
        """Training mode for all but the frozen reference encoder."""
        super().train(mode)
        if self.reference is not None:
            self.reference.eval()
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the networks, in place; the losses have gradients written by hand, which stay as they are."""
        for network in (self.network.encoder, self.network.decoder, self.pose):
            if network is not None:
                network.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups: dict[str, nn.Module | None] = {
            "encoder": self.network.encoder,
            "decoder": self.network.decoder,
            "pose": self.pose,
            "intrinsics": self.intrinsics_head,
        }
        listed = [{"name": name, "params": trainable(module)} for name, module in groups.items() if module is not None]
        return [group for group in listed if group["params"]]

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["unlabelled"]
        target_seen = batch["jittered"][:, 0]
        features = self.network.encoder(target_seen)
        disparities = self.network.decoder(features, target_seen.shape[-2:])
        views = self.views(batch, step)
        with torch.autocast(target_seen.device.type, enabled=False):
            photometric, smoothness, finest = self_supervised_loss(
                {scale: disparity.float() for scale, disparity in disparities.items()}, views, self.config.loss
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
        if self.reference is not None:
            with torch.no_grad():
                reference = self.reference(target_seen)[-1]
            distance = feature_distance(features[-1].float(), reference.float())
            losses["feature_distance"] = self.config.feature_distance * distance
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
        pair = torch.stack((source, target) if offset < 0 else (target, source), dim=1)
        axis_angle, translation, features = self.pose(pair)
        with torch.autocast(pair.device.type, enabled=False):
            transform = transform_from_parameters(axis_angle.float(), translation.float(), invert=offset < 0)
            camera = None
            if self.intrinsics_head is not None:
                camera = self.intrinsics_head(features.float(), target.shape[-2], target.shape[-1])
        return transform, camera

    def _disparity(self, images: Tensor) -> Tensor:
        """The finest disparity (B, 1, H, W), at the size of the images whatever its scale."""
        disparities = self.network(images)
        finest = disparities[min(disparities)].float()
        if finest.shape[-2:] == images.shape[-2:]:
            return finest
        return F.interpolate(finest, size=images.shape[-2:], mode="bilinear", align_corners=False)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``disparity`` and ``inverse_depth`` (B, 1, H, W), the latter in 1 / training unit."""
        disparity = self._disparity(images)
        inverse_depth, _ = disparity_to_depth(disparity, self.config.loss.min_depth, self.config.loss.max_depth)
        return {"disparity": disparity, "inverse_depth": inverse_depth}

    @torch.no_grad()
    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """``inverse_depth``, ``error``, ``identity_error``, ``kept`` (B, 1, H, W) and ``warped`` (B, S, 3, H, W)."""
        views = self.views(batch, 0, noise=False)
        disparity = self._disparity(batch["frames"][:, 0])
        seen = synthesize(disparity, views, self.config.loss)
        identity = views.identity_error if views.identity_error is not None else torch.zeros_like(seen.error)
        return {
            "inverse_depth": seen.inverse_depth,
            "error": seen.error,
            "identity_error": identity,
            "kept": kept_pixels(seen, views),
            "warped": seen.warped,
        }
