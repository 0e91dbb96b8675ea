"""Three Ways to improve semantic segmentation with self-supervised depth (Hoyer et al., CVPR 2021).

Depth teaches segmentation by transfer (3.1), by learning both at once (3.2), and by deciding in mixed images which
surface hides which (DepthMix, 4.4), with pseudo-labels of a mean teacher on unlabelled frames (4.1 to 4.7); the
numbers are sections of three_ways.md.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.losses.depth import berhu
from vergence.losses.tensors import full_precision
from vergence.methods.base import Method, groups_of
from vergence.methods.config import MethodConfig
from vergence.methods.consistency import Mixed, clean_loss, consistency_loss, mixed_view, with_truth
from vergence.methods.panels import Exhibit, Shown, confidence, means, notes
from vergence.methods.supervised import known_space, segmentation_losses, to_size
from vergence.methods.supervised_config import check_class_balance
from vergence.methods.teacher import MeanTeacher, following, stored_as
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.methods.view_synthesis import ViewSynthesis, check_size, depth_maps, finest_disparity
from vergence.mixing.augment import draw_strong
from vergence.mixing.by_depth import normalised_disparity
from vergence.models.freeze import freeze, freeze_batchnorm, statistics_kept
from vergence.models.pretrained import load_transfer
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network


class ThreeWaysMethod(Method):
    """A student (with depth, if it learns both tasks) and its mean teacher.

    Args:
        config: settings.
        options: how frames are made; ``label_space`` says which classes there are.
        seed: of the tie-breaking noise of view synthesis.

    Raises:
        InputError: settings that contradict each other, no label space, or networks that cannot be built.
    """

    settings: ClassVar[type[MethodConfig]] = ThreeWaysConfig
    config: ThreeWaysConfig
    eager_parts: ClassVar[tuple[str, ...]] = ("mixed",)

    def __init__(self, config: ThreeWaysConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        config.check()
        self.config = config
        check_class_balance(config.class_balance)
        space = known_space(options)
        self.label_space = space
        self.network: MultiTaskNetwork = build_segmentation_network(config.network, len(space), config.multi_task)
        check_size(options, self.network.encoder.strides[-1], config.network.encoder)
        self.synthesis: ViewSynthesis | None = None
        if config.multi_task:
            self.synthesis = ViewSynthesis(config, options, config.network.normalization, seed)
            self.synthesis.join(self)
        if config.freeze_batchnorm:
            freeze_batchnorm(self.network.encoder)
            if self.synthesis is not None and self.synthesis.pose is not None:
                freeze_batchnorm(self.synthesis.pose)
        if config.freeze_encoder:
            freeze(self.network.encoder, training_mode=True)
        self.teacher = self.reference = None
        if config.teacher:
            teacher = following(self.network, config.teacher_decay, config.teacher_buffers)
            self.teacher, self.reference = stored_as(teacher, predicts=config.evaluate == "teacher")

    @property
    def mean_teacher(self) -> MeanTeacher:
        """The teacher, under whichever name it is stored."""
        teacher = self.teacher or self.reference
        assert isinstance(teacher, MeanTeacher)
        return teacher

    def initialize(self) -> None:
        """Weights from ``initialize_from``; the teacher starts as a copy of the student."""
        config = self.config
        if config.initialize_from is not None:
            pose = self.synthesis.pose if self.synthesis is not None else None
            load_transfer(self.network, pose, config.initialize_from, config.initialize_parts)
        if config.teacher:
            self.mean_teacher.restart(self.network)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network's encoder, in place."""
        self.network.encoder.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        views = self.synthesis.parts() if self.synthesis is not None else {}
        return groups_of(self.network.parts()) + groups_of(views)

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        losses = self.labelled_losses(batches["labelled"], step)
        factor = self.config.self_training(step)
        if factor > 0:
            batch = batches["unlabelled"]
            losses |= weakened(self.unlabelled_losses(batch, step, self.pseudo_probabilities(batch)), factor)
        return losses

    def labelled_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Cross-entropy, and with ``multi_task`` view synthesis and perhaps distillation from the depth port (3.2)."""
        config = self.config
        side = self.network.side is not None
        prediction = self.network(batch["jittered"][:, 0], depth=config.multi_task, side=side)
        losses = segmentation_losses(prediction, batch, config.class_balance)
        if config.segmentation_weight != 1:
            losses["_segmentation"] = losses["segmentation"].detach()
            losses["segmentation"] = config.segmentation_weight * losses["segmentation"]
        if config.multi_task:
            losses |= self._depth_losses(prediction["disparities"], batch, step)
        if config.pseudo_depth > 0:
            finest = full_precision(prediction["disparities"][min(prediction["disparities"])])
            losses["pseudo_depth"] = config.pseudo_depth * berhu(
                to_size(finest, batch["estimate"]), batch["estimate"], own_car_mask(batch["estimate"])
            )
        return losses

    def _depth_losses(self, disparities: dict[int, Tensor], batch: Batch, step: int) -> dict[str, Tensor]:
        assert self.synthesis is not None
        seen = self.synthesis.losses(disparities, batch, step)
        weight = self.config.depth_weight
        return {key: value if key.startswith("_") else weight * value for key, value in seen.items()}

    def unlabelled_losses(self, batch: Batch, step: int, probabilities: Tensor) -> dict[str, Tensor]:
        """Steps 2 to 5 of section 4.3, with the teacher's :meth:`pseudo_probabilities`: depth, mixing, consistency."""
        config = self.config
        losses, depth = self.unlabelled_depth(batch, step)
        if config.consistency.clean > 0:
            losses["clean"] = clean_loss(
                config.consistency, lambda seen: to_size(self.network(seen)["logits"], seen),
                batch["frames"][:, 0], probabilities,
            )  # fmt: skip
        mixed = self.mixed(batch, probabilities, depth)
        with statistics_kept(self.network, keep=not config.consistency.mixed_statistics):
            logits = self.network(mixed.images)["logits"]
        losses["consistency"] = consistency_loss(config.consistency, logits, mixed.label, mixed.share)
        losses["_confident"] = mixed.share
        losses["_own"] = mixed.mask.mean()
        return losses

    def unlabelled_depth(self, batch: Batch, step: int) -> tuple[dict[str, Tensor], Tensor | None]:
        """Depth to mix by (B, 1, H, W), if there is any; learned online, with the losses of view synthesis."""
        if not (self.config.multi_task and self.config.depth == "online"):
            return {}, batch.get("estimate")
        images = batch["frames"][:, 0]
        prediction = self.network(batch["jittered"][:, 0], segmentation=False, depth=True)
        seen = self._depth_losses(prediction["disparities"], batch, step + 1)
        losses = {f"unlabelled_{key}": value for key, value in seen.items() if not key.startswith("_")}
        return losses, own_depth(prediction["disparities"], images)

    @torch.no_grad()
    def pseudo_probabilities(self, batch: Batch) -> Tensor:
        """Teacher probabilities (B, K, H, W) of the clean frames, ground truth in their place where it is known."""
        images = batch["frames"][:, 0]
        logits = to_size(full_precision(self.mean_teacher.network(images)["logits"]), images)
        probabilities = logits.softmax(dim=1)
        if self.config.mix_labels and "label" in batch:
            probabilities = with_truth(probabilities, batch["label"], batch["labelled"])
        return probabilities

    def mixed(self, batch: Batch, probabilities: Tensor, depth: Tensor | None) -> Mixed:
        """Images and pseudo-labels mixed and changed, with the step's random draws."""
        settings, images = self.config.consistency, batch["frames"][:, 0]
        draw = draw_strong(len(images), settings.jitter, settings.strength, settings.blur, generator=self.generator)
        return mixed_view(settings, images, probabilities, depth, draw, self.generator)

    def after_step(self, step: int) -> None:
        config = self.config
        if not config.teacher or step + 1 < config.start:
            return
        if step + 1 == config.start:
            self.mean_teacher.restart(self.network)
        else:  # a teacher that starts trained forgets nothing at first
            self.mean_teacher.update(self.network, None if config.start else step)

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K, H, W), and with ``multi_task`` ``disparity`` and ``inverse_depth`` (B, 1, H, W)."""
        network = self.teacher.network if self.teacher is not None else self.network
        prediction = network(images, depth=self.config.multi_task)
        outputs = {"logits": to_size(full_precision(prediction["logits"]), images)}
        if self.config.multi_task:
            outputs |= depth_maps(prediction["disparities"], images, self.config.loss)
        return outputs

    @torch.no_grad()
    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """One mixed batch of unlabelled frames: ``mixed`` (B, 3, H, W), ``mask``, ``depth`` (B, 1, H, W),
        ``pseudo_label``, ``confidence`` (B, H, W)."""
        images = batch["frames"][:, 0]
        depth = batch.get("estimate")
        if self.config.multi_task and self.config.depth == "online":
            depth = own_depth(self.network(images, segmentation=False, depth=True)["disparities"], images)
        mixed = self.mixed(batch, self.pseudo_probabilities(batch), depth)
        maps = {"mixed": mixed.images, "mask": mixed.mask, "pseudo_label": mixed.label, "confidence": mixed.confidence}
        return maps if depth is None else {**maps, "depth": depth}

    def training_pictures(self, batches: Mapping[str, Batch]) -> Exhibit:
        """Own frame, partner, what decides between them, the mixed image, its pseudo-label and confidence."""
        batch = batches["unlabelled"]
        maps, frames = self.diagnose(batch), batch["frames"][:, 0]
        pictures = [Shown("own frame", "photograph", frames), Shown("partner", "photograph", frames.roll(-1, 0))]
        if "depth" in maps:
            near = ("bright is near",) * len(frames)
            pictures.append(Shown("own inverse depth", "share", maps["depth"], near, colours="magma"))
        own = notes("{:.0%} of the own frame (white)", means(maps["mask"]))
        pictures += [
            Shown("mask", "share", maps["mask"], own, colours="gray"),
            Shown("mixed, colours changed", "photograph", maps["mixed"]),
            Shown("pseudo-label", "classes", maps["pseudo_label"], space=self.label_space),
            confidence(maps["confidence"]),
        ]
        return Exhibit(pictures, "Frames of the training data, cut and mixed in pairs as a step does.")


def weakened(losses: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """Losses of unlabelled frames with those of pseudo-labels times a factor; depth is learned in full all the time."""
    if factor == 1:
        return losses
    whole = ("_", "unlabelled_")
    return {key: value if key.startswith(whole) else factor * value for key, value in losses.items()}


def own_depth(disparities: dict[int, Tensor], images: Tensor) -> Tensor:
    """The finest disparity, detached, min-max normalised for each crop (4.3, step 3)."""
    return normalised_disparity(finest_disparity(disparities, images).detach())


def own_car_mask(maps: Tensor, share: float = 0.9) -> Tensor:
    """Ones (B, 1, H, W) but for the lowest rows, where a driving camera sees its own car (5.2)."""
    mask = torch.ones_like(maps)
    mask[..., int(share * maps.shape[-2]) :, :] = 0
    return mask
