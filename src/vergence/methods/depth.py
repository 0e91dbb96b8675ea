"""Self-supervised depth from video and stereo (Monodepth2; phases A and B of Three Ways, section 2.4)."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.losses.depth import feature_distance
from vergence.losses.self_supervised import synthesize
from vergence.methods.base import Method, groups_of
from vergence.methods.depth_config import DepthConfig
from vergence.methods.panels import Exhibit
from vergence.methods.view_synthesis import ViewSynthesis, check_size, depth_maps, finest_disparity
from vergence.models.depth_network import DepthNetwork, build_depth_network
from vergence.models.freeze import freeze, freeze_batchnorm
from vergence.models.pretrained import load_parts


class DepthMethod(Method):
    """Depth and pose networks trained by view synthesis.

    Args:
        config: settings.
        options: how frames are made; ``offsets`` says which sources there are.
        seed: of the tie-breaking noise.

    Raises:
        InputError: no source frames, no disparity scale, frames too small, or a network that cannot be built.
    """

    settings = DepthConfig
    config: DepthConfig

    def __init__(self, config: DepthConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        if not config.network.scales:
            raise InputError("network.scales is empty; give at least [0].")
        self.network: DepthNetwork = build_depth_network(config.network)
        check_size(options, self.network.encoder.strides[-1], config.network.encoder)
        self.synthesis = ViewSynthesis(config, options, config.network.normalization, seed)
        self.synthesis.join(self)
        self.reference: nn.Module | None = None
        if config.feature_distance > 0:  # a copy: the same weights, wherever they came from
            self.reference = freeze(copy.deepcopy(self.network.encoder))
        if config.freeze_encoder:
            freeze(self.network.encoder, training_mode=True)
        if config.freeze_batchnorm:
            freeze_batchnorm(self.network.encoder)
            if self.synthesis.pose is not None:
                freeze_batchnorm(self.synthesis.pose)

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
        """Compile the networks, in place; the losses keep the gradients that are written by hand."""
        for network in (self.network.encoder, self.network.decoder, self.synthesis.pose):
            if network is not None:
                network.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        modules: dict[str, list[nn.Module]] = {"encoder": [self.network.encoder], "decoder": [self.network.decoder]}
        return groups_of(modules | self.synthesis.parts())

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["unlabelled"]
        target_seen = batch["jittered"][:, 0]
        features = self.network.encoder(target_seen)
        disparities = self.network.decoder(features, target_seen.shape[-2:])
        losses = self.synthesis.losses(disparities, batch, step)
        if self.reference is not None:
            with torch.no_grad():
                reference = self.reference(target_seen)[-1]
            distance = feature_distance(features[-1], reference)
            losses["feature_distance"] = self.config.feature_distance * distance
        return losses

    def _disparity(self, images: Tensor) -> Tensor:
        """The finest disparity (B, 1, H, W) at the size of the images."""
        return finest_disparity(self.network(images), images)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """See :func:`~vergence.methods.view_synthesis.depth_maps`."""
        return depth_maps(self.network(images), images, self.config.loss)

    @torch.no_grad()
    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """``inverse_depth``, ``error``, ``identity_error``, ``kept`` (B, 1, H, W) and ``warped`` (B, S, 3, H, W)."""
        views = self.synthesis.views(batch, 0, noise=False)
        disparity = self._disparity(batch["frames"][:, 0])
        seen = synthesize(disparity, views, self.config.loss)
        return self.synthesis.seen_maps(seen, views)

    def frame_pictures(self, batch: Batch) -> Exhibit:
        return self.synthesis.pictures(batch, self.diagnose(batch))
