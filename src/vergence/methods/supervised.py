"""Segmentation from labels: the baseline of every comparison, and the labelled half of the other methods."""

from typing import Any

import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace, label_space
from vergence.errors import InputError
from vergence.losses.segmentation import IGNORED_LABEL, class_balance_weight, cross_entropy
from vergence.losses.tensors import full_precision
from vergence.methods.base import Method, groups_of
from vergence.methods.supervised_config import SupervisedConfig, check_class_balance
from vergence.models.freeze import freeze_batchnorm
from vergence.models.pretrained import load_transfer
from vergence.models.segmentation_network import MultiTaskNetwork, Prediction, build_segmentation_network


class SupervisedMethod(Method):
    """A segmentation network trained on labelled frames.

    Args:
        config: settings.
        options: how frames are made; ``label_space`` says which classes there are.
        seed: not used; the engine seeds all generators.

    Raises:
        InputError: no label space, or a network that cannot be built.
    """

    settings = SupervisedConfig
    config: SupervisedConfig

    def __init__(self, config: SupervisedConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        check_class_balance(config.class_balance)
        self.label_space = known_space(options)
        self.network: MultiTaskNetwork = build_segmentation_network(config.network, len(self.label_space), depth=False)
        if config.freeze_batchnorm:
            freeze_batchnorm(self.network.encoder)

    def initialize(self) -> None:
        """Take over weights from ``initialize_from``; InputError if the parts do not fit."""
        if self.config.initialize_from is not None:
            load_transfer(self.network, None, self.config.initialize_from, self.config.initialize_parts)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network, in place."""
        self.network.encoder.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return groups_of(self.network.parts())

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        batch = batches["labelled"]
        side = self.network.side is not None
        prediction = self.network(batch["jittered"][:, 0], side=side)
        return segmentation_losses(prediction, batch, self.config.class_balance)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K, H, W) at the size of the images."""
        return {"logits": to_size(full_precision(self.network(images)["logits"]), images)}


def known_space(options: FrameOptions, remedy: str = "name a manifest with a column label") -> LabelSpace:
    """The classes of the frames; InputError where they have no label space."""
    if not options.label_space:
        raise InputError(
            f"there is no label space: the frames have no labels; {remedy}, or set frames.options.label_space."
        )
    return label_space(options.label_space)


def to_size(maps: Tensor, images: Tensor) -> Tensor:
    """Logits (B, K, h, w) at the size of images (B, 3, H, W), as the losses resize them."""
    if maps.shape[-2:] == images.shape[-2:]:
        return maps
    return nn.functional.interpolate(maps, size=images.shape[-2:], mode="bilinear", align_corners=True)


def segmentation_losses(prediction: Prediction, batch: Batch, class_balance: float = 0.0) -> dict[str, Tensor]:
    """Cross-entropy of the final logits, averaged with that of the side output where there is one (three_ways 3.2).

    ``_labelled`` is the share of pixels that have a label. Where labels are more and less sure ("label_confidence"),
    the mean is weighted by it, and with ``class_balance`` by the classes' shares to this negative power.
    """
    label = batch["label"]
    with torch.autocast(label.device.type, enabled=False):
        confidence = batch["label_confidence"].float() if "label_confidence" in batch else None
        if class_balance > 0:
            balance = class_balance_weight(label, class_balance, confidence)
            confidence = balance if confidence is None else confidence * balance
        weight = None if confidence is None else _share_of_mean(label, confidence)
        loss = cross_entropy(prediction["logits"], label, pixel_weight=weight)
        if "side_logits" in prediction:
            loss = (loss + cross_entropy(prediction["side_logits"], label, pixel_weight=weight)) / 2
        return {"segmentation": loss, "_labelled": (label != IGNORED_LABEL).float().mean()}


def _share_of_mean(label: Tensor, weight: Tensor) -> Tensor:
    """Weights (B, H, W) with which a mean over all pixels is the weighted mean over labelled ones."""
    weight = weight * (label != IGNORED_LABEL)
    return weight / weight.mean().clamp(min=1e-6)
