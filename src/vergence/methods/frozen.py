"""Segmentation by a light head on frozen features: trained in about a minute on a CPU, what all else must beat."""

from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.errors import InputError
from vergence.losses.tensors import full_precision
from vergence.methods.base import Method, groups_of
from vergence.methods.frozen_config import FrozenConfig
from vergence.methods.supervised import known_space, segmentation_losses, to_size
from vergence.methods.supervised_config import check_class_balance
from vergence.models.frozen_network import build_frozen_network
from vergence.models.pretrained import load_transfer


class FrozenMethod(Method):
    """A head trained on labelled frames; the encoder is what it was.

    Args:
        config: settings.
        options: how frames are made; ``label_space`` says which classes there are.
        seed: not used; the engine seeds all generators.

    Raises:
        InputError: no label space, a negative memory, or a network that cannot be built.
    """

    settings = FrozenConfig
    config: FrozenConfig

    def __init__(self, config: FrozenConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        if config.memory_mb < 0:
            raise InputError(f"frozen.memory_mb is {config.memory_mb}; give 0 or more.")
        check_class_balance(config.class_balance)
        self.config = config
        self.label_space = known_space(options)
        self.network = build_frozen_network(config.network, len(self.label_space))
        self._repeats = options.random_crop is None and options.flip_vertical == 0
        self._kept: dict[tuple[int, bool], list[Tensor]] = {}
        self._room = config.memory_mb * 2**20

    def initialize(self) -> None:
        """Take over the encoder from ``initialize_from``; InputError if it does not fit."""
        if self.config.initialize_from is not None:
            load_transfer(self.network, None, self.config.initialize_from, ("encoder",))

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the encoder, in place."""
        self.network.encoder.compile(*args, **kwargs)

    def compile_step(self, *args: Any, **kwargs: Any) -> None:
        """The same: what has been kept decides what a step computes, and beside the encoder there is little."""
        self.compile(*args, **kwargs)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K, H, W) at the size of the images."""
        return {"logits": to_size(full_precision(self.network(images)["logits"]), images)}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return groups_of({"head": [self.network.head]})

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["labelled"]
        size = (batch["frames"].shape[-2], batch["frames"].shape[-1])
        logits = self.network.decode(self.features(batch), size)
        return segmentation_losses({"logits": logits}, batch, self.config.class_balance)

    @torch.no_grad()
    def features(self, batch: Batch) -> list[Tensor]:
        """What the head reads of a batch's targets; of frames seen before, as they were made then."""
        images = batch["jittered"][:, 0]
        if self.config.memory_mb == 0 or not self._repeats or batch["jittered"] is not batch["frames"]:
            return self.network.encode(images)
        keys = zip(batch["index"].tolist(), batch["flipped"].tolist(), strict=True)
        rows = [self._of(key, image) for key, image in zip(keys, images, strict=True)]
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    def _of(self, key: tuple[int, bool], image: Tensor) -> list[Tensor]:
        """One frame's features, made by itself: in a batch, rounding would depend on what else had been kept, and a run
        that goes on would differ from one that was never stopped."""
        if key not in self._kept:
            features = [values[0] for values in self.network.encode(image[None])]
            self._keep(key, features)
            return features
        return self._kept[key]

    def _keep(self, key: tuple[int, bool], features: list[Tensor]) -> None:
        """Remember a frame's features while there is room."""
        size = sum(values.numel() * values.element_size() for values in features)
        if size <= self._room:
            self._room -= size
            self._kept[key] = [values.clone() for values in features]
