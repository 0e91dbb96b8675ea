"""Depth learned from estimates of a teacher: the student of automatic data selection (Three Ways, section 5.2)."""

from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.losses.depth import berhu
from vergence.methods.base import Method, trainable
from vergence.methods.distill_config import DistillConfig
from vergence.methods.view_synthesis import finest_disparity
from vergence.models.depth_network import build_depth_network


class DistillMethod(Method):
    """A depth network trained by berHu on estimates that are normalised image by image.

    Args:
        config: settings.
        options: how frames are made.
        seed: not used; the engine seeds all generators.

    Raises:
        InputError: a share of rows that is none, no disparity scale, or a network that cannot be built.
    """

    settings = DistillConfig
    config: DistillConfig

    def __init__(self, config: DistillConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= config.ignored_bottom < 1:
            raise InputError(f"distill.ignored_bottom is {config.ignored_bottom}; give 0 or more, less than 1.")
        if not config.network.scales:
            raise InputError("network.scales is empty; give at least [0].")
        self.config = config
        self.network = build_depth_network(config.network)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network, in place."""
        self.network.encoder.compile(*args, **kwargs)
        self.network.decoder.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        parts = {"encoder": self.network.encoder, "decoder": self.network.decoder}
        return [{"name": name, "params": trainable(module)} for name, module in parts.items()]

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["unlabelled"]
        disparity = self._disparity(batch["jittered"][:, 0])
        learned = torch.ones_like(disparity)
        learned[..., int((1 - self.config.ignored_bottom) * disparity.shape[-2]) :, :] = 0
        return {"estimate": berhu(disparity, batch["estimate"], learned, self.config.log)}

    def _disparity(self, images: Tensor) -> Tensor:
        """The finest disparity (B, 1, H, W) at the size of the images."""
        return finest_disparity(self.network(images), images)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``disparity`` and ``inverse_depth`` (B, 1, H, W), the same: what is learned has neither unit nor zero."""
        disparity = self._disparity(images)
        return {"disparity": disparity, "inverse_depth": disparity}
