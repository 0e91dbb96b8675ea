"""CorDA (Wang et al., ICCV 2021): from a labelled source domain to an unlabelled target, guided by depth.

Student and mean teacher learn from source labels, and from target frames under pieces of source frames (DACS), whose
pseudo-labels the teacher makes. Beside classes the network learns depth, by one decoder for each domain; where the two
disagree about a mixed frame, its pseudo-labels teach less. Section numbers are those of the specification.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace
from vergence.data.measured.inverse_depth import FARTHEST, to_metres, to_sigmoid
from vergence.errors import InputError
from vergence.geometry.camera import depth_to_disparity, disparity_to_depth
from vergence.losses.depth import valid_mean
from vergence.losses.difficulty import INVALID, adaptation_difficulty, pixel_weights
from vergence.losses.segmentation import pseudo_labels
from vergence.losses.tensors import full_precision
from vergence.methods.base import Method, groups_of
from vergence.methods.corda_config import CordaConfig
from vergence.methods.domains import (
    MixedDomains,
    Outputs,
    class_losses,
    depth_losses,
    domain_mask,
    full_size,
    median_nearness,
)
from vergence.methods.panels import Exhibit, Legend, Shown, confidence, means, notes
from vergence.methods.ssda import cross_weight
from vergence.methods.supervised import known_space, to_size
from vergence.methods.teacher import MeanTeacher, following, stored_as
from vergence.mixing.augment import draw_strong, strong_augment
from vergence.mixing.mix import mix
from vergence.models.corda_network import CordaNetwork, build_corda_network

DIFFICULTY = Legend("difficulty", ("easy", "", "hard"))


class CordaMethod(Method):
    """A student with two depth decoders, and its mean teacher.

    Args:
        config: settings.
        options: how frames are made; ``label_space`` says which classes there are.
        seed: not used; the engine seeds all generators.

    Raises:
        InputError: settings that contradict each other, no label space, or a network that cannot be built.
    """

    settings = CordaConfig
    config: CordaConfig
    corners_aligned: ClassVar[bool] = True
    eager_parts = ("mixed",)
    origin_of_metres = "metres of the measured depth that was learned"
    farthest: float = 100.0
    """The largest depth that is predicted, in its unit."""
    depth_scale: Tensor

    def __init__(self, config: CordaConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        config.check()
        self.config = config
        if config.source_size is not None and options.random_crop is None:
            raise InputError(
                "corda.source_size makes source frames of another size than the target's, and mixing takes one; set "
                "frames.options.random_crop to the size of a piece of both."
            )
        if config.learns_metres:
            self.scale, self.farthest = "metric", FARTHEST
        self.label_space = space = known_space(options)
        self.network: CordaNetwork = build_corda_network(config.network, len(space))
        self.register_buffer("depth_scale", torch.zeros(()))  # logarithm
        self.teacher: MeanTeacher | None = None
        self.reference = nn.ModuleDict()  # of use in training only: stored with what resuming needs
        if config.adapt:
            teacher = following(self.network, config.teacher_decay, config.teacher_buffers)
            self.teacher, reference = stored_as(teacher, predicts=config.evaluate == "teacher")
            if reference is not None:
                self.reference["teacher"] = reference
        self.near_classes: list[int] = []
        if config.feature_distance.weight > 0:
            self.near_classes = classes_named(space, config.feature_distance.classes)
            self.reference["encoder"] = copy.deepcopy(self.network.encoder).requires_grad_(False)

    @property
    def mean_teacher(self) -> MeanTeacher:
        """The teacher, under whichever name it is stored."""
        teacher = self.teacher if self.teacher is not None else self.reference["teacher"]
        assert isinstance(teacher, MeanTeacher)
        return teacher

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network's encoder, in place."""
        self.network.encoder.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        groups = groups_of(self.network.parts())
        if self.config.repeat_encoder:
            entries = self.network.released_entries()
            for group in groups:
                group["repeats"] = [entries.get(value, 1) for value in group["params"]]
        return groups

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        source, target = batches["source"], batches.get("target")
        if target is not None:
            source = self.aligned(source, target, step)
        losses = self.source_losses(source)
        if target is not None:
            losses |= self.mixed_losses(self.mixed(source, target, step))
        if "labelled" in batches:
            losses |= self.labelled_losses(batches["labelled"])
        return losses

    # --- losses (section 3)

    def source_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy and depth of the source's decoder; perhaps distance of features from the starting weights."""
        config, images = self.config, batch["jittered"][:, 0]
        losses: dict[str, Tensor] = {}
        if config.feature_distance.weight > 0:
            feature = self.network.encode(images)
            outputs = cast(Outputs, self.network.decode(feature))
            losses["feature_distance"] = config.feature_distance.weight * self.distance(feature, batch)
        else:
            outputs = self.network(images)
        losses |= class_losses("source", outputs, batch["label"])
        if config.depth:
            known = batch["inverse_depth"]
            everywhere = torch.ones_like(known)
            losses |= depth_losses("source", full_size(outputs, known), everywhere, known, config.source_depth_weight)
        return losses

    def labelled_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy on labelled target frames."""
        losses = class_losses("labelled", self.network(batch["jittered"][:, 0]), batch["label"])
        return {name: self.config.labelled_weight * value for name, value in losses.items()}

    def mixed_losses(self, mixed: MixedDomains) -> dict[str, Tensor]:
        """Weighted cross-entropy to mixed labels and, of both decoders, depth composed by the same mask."""
        config = self.config
        outputs = self.network(mixed.images)
        losses: dict[str, Tensor] = {"_confident": mixed.share, "_from_source": mixed.mask.mean()}
        weight = mixed.weight
        if config.depth:
            known = cast(Tensor, mixed.inverse_depth)
            outputs = full_size(outputs, known)
            losses |= depth_losses("mixed", outputs, mixed.mask, known, config.mixed_depth_weight)
            if config.weighs_difficulty:
                difficulty = adaptation_difficulty(outputs["source_depth"], outputs["depth"], known)
                weight = pixel_weights(weight, difficulty, config.difficulty)
                losses["_difficulty"] = difficulty.mean()
        losses |= class_losses("mixed", outputs, mixed.label, config.consistency.weight * weight)
        return losses

    def distance(self, feature: Tensor, batch: Batch) -> Tensor:
        """Mean Euclidean distance of the feature (B, C, h, w) from that of the starting weights, where chosen classes
        are (DAFormer, 3.2)."""
        with torch.no_grad():
            before = self.network.join(self.reference["encoder"](batch["jittered"][:, 0]))
        chosen = torch.zeros_like(batch["label"], dtype=torch.bool)
        for index in self.near_classes:
            chosen |= batch["label"] == index
        share = F.adaptive_avg_pool2d(chosen[:, None].float(), before.shape[-2:])[:, 0]
        apart = torch.linalg.vector_norm(full_precision(feature - before), dim=1)
        return valid_mean(apart, share >= self.config.feature_distance.share)

    # --- target frames (section 1.3)

    @torch.no_grad()
    def mixed(self, source: Batch, target: Batch, step: int) -> MixedDomains:
        """Pseudo-labels, mixing, strong augmentation, with the step's draws; source image i covers target i."""
        settings = self.config.consistency
        label, _, share = self.pseudo_labels(target, step)
        mask = domain_mask(settings, source, target, self.generator)
        known = None
        if self.config.depth:
            known = mix(source["inverse_depth"], mask, target["inverse_depth"])
        draw = draw_strong(len(label), settings.jitter, settings.strength, settings.blur, generator=self.generator)
        images = strong_augment(mix(source["frames"][:, 0], mask, target["frames"][:, 0]), draw)
        return MixedDomains(images, mask, mix(source["label"], mask, label), cross_weight(mask, share), share, known)

    @torch.no_grad()
    def pseudo_labels(self, target: Batch, step: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's label and confidence (B, H, W), and the confident share of all pixels (scalar).

        ``step`` None is after training.
        """
        config, images = self.config, target["frames"][:, 0]
        outputs = self.mean_teacher.network(images)
        early = config.pseudo_head == "switch" and step is not None and step < config.switch_step
        head = "initial_logits" if config.pseudo_head == "initial" or early else "logits"
        return pseudo_labels(to_size(full_precision(outputs[head]), images).softmax(1), config.consistency.confidence)

    @torch.no_grad()
    def aligned(self, source: Batch, target: Batch, step: int | None = None) -> Batch:
        """The source with its inverse depth in the target's scale, where that is asked for; ``step`` None looks only.

        Medians run over about a hundred steps, and beyond 1: 1 is infinitely far in every unit.
        """
        if self.config.align_depth == "none" or "inverse_depth" not in source:
            return source
        if step is not None:
            ratio = (median_nearness(target["inverse_depth"]) / median_nearness(source["inverse_depth"])).log()
            change = torch.where(ratio.isfinite(), ratio - self.depth_scale, torch.zeros_like(ratio))
            self.depth_scale += max(0.01, 1 / (step + 1)) * change
        scaled = INVALID + (source["inverse_depth"] - INVALID) * self.depth_scale.exp()
        return cast(Batch, {**source, "inverse_depth": scaled})

    def after_step(self, step: int) -> None:
        if self.config.adapt:  # the official first update, number 0, copies the student: one before the teacher's own
            self.mean_teacher.update(self.network, step - 1)

    # --- what is shown

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` (B, K, H, W), and of the target's depth decoder, where it learned, ``inverse_depth`` and
        ``disparity`` (B, 1, H, W), that of a depth network of 0.1 to 100 units."""
        outputs = self.predict_small(images)
        return outputs | {"logits": to_size(outputs["logits"], images)}

    def predict_small(self, images: Tensor) -> dict[str, Tensor]:
        """The same, with logits (B, K, h, w) at the size of the feature."""
        network = self.teacher.network if self.teacher is not None else self.network
        outputs = network(images)
        maps = {"logits": full_precision(outputs["logits"])}
        if "depth" in self.tasks:
            maps |= self._depth(to_size(full_precision(outputs["depth"]), images))
        return maps

    def _depth(self, nearness: Tensor) -> dict[str, Tensor]:
        """What is predicted of depth, from the decoder's g (B, 1, H, W)."""
        if not self.config.learns_metres:
            disparity = to_sigmoid(nearness)
            return {"disparity": disparity, "inverse_depth": disparity_to_depth(disparity)[0]}
        inverse_depth = to_metres(nearness)
        return {"inverse_depth": inverse_depth, "disparity": depth_to_disparity(inverse_depth.reciprocal()).clamp(0, 1)}

    @torch.no_grad()
    def diagnose(self, batch: Batch, source: Batch | None = None) -> dict[str, Tensor]:
        """What the method makes of target frames.

        ``probabilities`` (B, K, H, W); ``pseudo_label`` and ``confidence`` (B, H, W) of the teacher; ``depth``,
        ``source_depth`` and ``difficulty`` (B, 1, H, W) where two decoders learn depth. With source frames, also one
        mixed batch: ``mixed`` (B, 3, H, W), ``mask``, ``mixed_difficulty`` (B, 1, H, W), ``mixed_label`` and
        ``mixed_weight`` (B, H, W).
        """
        config, images = self.config, batch["frames"][:, 0]
        outputs = self.network(images)
        maps = {"probabilities": to_size(full_precision(outputs["logits"]), images).softmax(1)}
        if config.depth:
            maps |= self._difficulty(outputs, images, batch.get("inverse_depth"))
        if not config.adapt:
            return maps
        maps["pseudo_label"], maps["confidence"], _ = self.pseudo_labels(batch)
        if source is not None:
            mixed = self.mixed(self.aligned(source, batch), batch, config.switch_step)
            maps |= {"mixed": mixed.images, "mask": mixed.mask, "mixed_label": mixed.label}
            seen = self._difficulty(self.network(mixed.images), images, mixed.inverse_depth) if config.depth else {}
            weight = mixed.weight
            if "difficulty" in seen:
                maps["mixed_difficulty"] = seen["difficulty"]
                weight = pixel_weights(weight, seen["difficulty"], config.difficulty)
            maps["mixed_weight"] = weight
        return maps

    def training_pictures(self, batches: Mapping[str, Batch]) -> Exhibit:
        """Target frames with what the teacher and both depth decoders say of them, under pieces of source frames."""
        source, target = batches.get("source"), batches["target"]
        maps = self.diagnose(target, source)
        mixes = source is not None
        pictures = [Shown("source", "photograph", source["frames"][:, 0])] if source is not None else []
        pictures.append(Shown("target", "photograph", target["frames"][:, 0]))
        if mixes:
            share = notes("{:.0%} source", means(maps["mask"]))
            pictures += [
                Shown("mixed, colours changed", "photograph", maps["mixed"], share),
                Shown("label of the mixed image", "classes", maps["mixed_label"], space=self.label_space),
            ]
        pictures += [
            Shown("pseudo-label of the target", "classes", maps["pseudo_label"], space=self.label_space),
            confidence(maps["confidence"]),
        ]
        titles = {"difficulty": "difficulty of the target", "mixed_difficulty": "difficulty of the mixed image"}
        for name, title in titles.items():
            if name in maps:
                hard = 1 - maps[name]
                pictures.append(Shown(title, "share", hard, notes("mean {:.2f}", means(hard)), "magma", DIFFICULTY))
        caption = "Target frames and their pseudo-labels; without source frames nothing is mixed."
        if mixes:
            caption = "Target frames, their teacher's pseudo-labels, and what a step mixes of them and source frames."
        if "difficulty" in maps:
            caption += " Difficulty: where the depth decoders of both domains disagree, pseudo-labels teach less."
        return Exhibit(pictures, caption)

    @staticmethod
    def _difficulty(outputs: Outputs, images: Tensor, known: Tensor | None) -> dict[str, Tensor]:
        names: list[str] = [name for name in ("depth", "source_depth") if name in outputs]
        maps = {name: to_size(full_precision(outputs[name]), images) for name in names}
        if len(maps) == 2 and known is not None:
            maps["difficulty"] = adaptation_difficulty(maps["source_depth"], maps["depth"], known)
        return maps


def classes_named(space: LabelSpace, names: tuple[str, ...]) -> list[int]:
    """Ids of those of the names that the space has; InputError where it has none."""
    indices = [index for index, name in enumerate(space.classes) if name in names]
    if not indices:
        raise InputError(
            f"the label space has none of feature_distance.classes ({', '.join(names)}); name some of "
            f"{', '.join(space.classes)}."
        )
    return indices
