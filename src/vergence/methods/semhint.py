"""SemHint-MD: depth from video, helped out of local minima by noisy semantic labels (Lin, Zhi, Yip 2023).

Depth and classes come from one network that shares its decoder as far as ``network.shared_blocks`` says. In the second
stage a region of one class proposes a plane of inverse depth wherever the images confirm it (semantics help depth), and
other views and depth correct the labels (depth helps semantics). Numbers are sections of semhint.md.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vergence.data.batch import IGNORED_LABEL, Batch
from vergence.data.frame_options import FrameOptions
from vergence.data.labels import LabelSpace, meaning
from vergence.errors import InputError
from vergence.geometry.camera import disparity_to_depth, inverse_depth_to_disparity, resize_inverse_depth
from vergence.losses.depth import class_balance, hint_loss
from vergence.losses.hint_proposals import ClassGroups, Proposals, propose
from vergence.losses.hint_size import enlarged_hints, thinned
from vergence.losses.hint_verification import (
    Verified,
    candidate_errors,
    hint_statistics,
    judging_sources,
    spare_hints,
    verify,
)
from vergence.losses.refinement import Refined, refine_labels
from vergence.losses.segmentation import cross_entropy, generalised_cross_entropy, symmetric_cross_entropy
from vergence.losses.self_supervised import Synthesis, Views, shrink, smaller_views, synthesize
from vergence.losses.tensors import full_precision
from vergence.losses.triplet import semantic_triplet_loss
from vergence.methods.base import Method, groups_of
from vergence.methods.panels import Exhibit, Shown, means, notes
from vergence.methods.semhint_config import SemHintConfig
from vergence.methods.supervised import known_space, to_size
from vergence.methods.teacher import MeanTeacher
from vergence.methods.view_synthesis import ViewSynthesis, check_size, depth_maps, finest_disparity
from vergence.models.pretrained import load_transfer
from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network

HINTS = (
    "Frames of the training data: noisy labels, what other views and depth make of them, and the depth that regions of "
    "one class propose where the images confirm it (grey: no hint)."
)
"""Caption of the pictures of training."""
TRIPLET_LEVELS = (3, 2, 1)
LEAST_SIDE = 16
"""Rows and columns, at least, of smaller frames that hints are looked for in."""
CLASS_LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "generalised": generalised_cross_entropy,
    "symmetric": symmetric_cross_entropy,
}


class Opinion(NamedTuple):
    """What the teacher (or the student) holds of a batch, without gradient."""

    disparity: Tensor  # (B, 1, H, W)
    probabilities: Tensor | None  # (B, K, H, W); None where classes are not learned


class Hints(NamedTuple):
    """Accepted pseudo-depth, and how it came about; h x w is the size at which hints are looked for."""

    inverse_depth: Tensor  # (B, 1, H, W), of the best proposal
    mask: Tensor  # (B, 1, H, W) bool: accepted
    labels: Tensor  # (B, h, w)
    proposals: Proposals
    verified: Verified


class SemHintMethod(Method):
    """Depth, pose and segmentation, with hints and refined labels.

    Args:
        config: settings.
        options: how frames are made; ``offsets`` says which sources there are, ``label_space`` which classes.
        seed: of the tie-breaking noise.

    Raises:
        InputError: settings that contradict each other, no source frames, no label space, frames too small, or
            networks that cannot be built.
    """

    settings = SemHintConfig
    config: SemHintConfig
    eager_parts = ("second_opinion",)

    def __init__(self, config: SemHintConfig, options: FrameOptions, seed: int = 0) -> None:
        super().__init__()
        config.check()
        self.config = config
        space = known_space(options, "name label files with one in semhint.labels")
        self.classes: LabelSpace = space
        if config.segmentation:
            self.label_space = space
        self.network: MultiTaskNetwork = build_segmentation_network(config.network, len(space), depth=True)
        check_size(options, self.network.encoder.strides[-1], config.network.encoder)
        _check_downsample(options, config.hint_downsample)
        self.synthesis = ViewSynthesis(config, options, config.network.normalization, seed)
        self.synthesis.join(self)
        self.sky, self.dynamic, self.foreground, self.ground, self.standing = (
            tuple(number for number, name in enumerate(space.classes) if {name, meaning(name)} & set(names))
            for names in (config.sky, config.dynamic, config.foreground, config.ground, config.standing)
        )
        self.reference: MeanTeacher | None = None
        if config.second_stage and config.proposals_from == "teacher":  # of use in training only
            self.reference = MeanTeacher(self.network, config.teacher_decay, average_buffers=True, train_mode=False)

    def initialize(self) -> None:
        """Take over weights from ``initialize_from``; InputError if the parts do not fit."""
        if self.config.initialize_from is not None:
            load_transfer(self.network, self.synthesis.pose, self.config.initialize_from, self.config.initialize_parts)
        if self.reference is not None:
            self.reference.restart(self.network)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile encoder and pose network, in place."""
        self.network.encoder.compile(*args, **kwargs)
        if self.synthesis.pose is not None:
            self.synthesis.pose.compile(*args, **kwargs)

    def parameter_groups(self) -> list[dict[str, Any]]:
        parts: dict[str, list[nn.Module]] = dict(self.network.parts())
        if not self.config.segmentation:
            parts.pop("segmentation", None)
        return groups_of(parts | self.synthesis.parts())

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        """The training step of 2.4."""
        config, batch = self.config, batches["unlabelled"]
        triplet = config.triplet_weight > 0
        images = batch["jittered"][:, 0]
        prediction = self.network(images, segmentation=config.segmentation, depth=True, levels=triplet)
        views = self.synthesis.views(batch, step)
        disparities = {scale: full_precision(disparity) for scale, disparity in prediction["disparities"].items()}
        with torch.autocast(views.target.device.type, enabled=False):
            finest = synthesize(disparities[min(disparities)], views, config.loss)
            refined, hints = self.second_opinion(batch, views, finest, step)
            if hints is not None:
                views = views._replace(identity_error=spare_hints(views.identity_error, hints.mask))
            losses = self.synthesis.seen_losses(disparities, views, finest)
            if config.segmentation:
                losses["segmentation"] = config.segmentation_weight * self._class_loss(prediction["logits"], refined)
            if triplet:
                levels = {level: up for level, up in prediction["depth_levels"].items() if level in TRIPLET_LEVELS}
                losses["triplet"] = semantic_triplet_loss(levels, refined.label, config.triplet_weight)
            if hints is not None:
                losses["hint"] = self._hint_loss(disparities, hints, refined.label, step)
                losses |= self._hint_log(hints)
        return losses

    def second_opinion(self, batch: Batch, views: Views, finest: Synthesis, step: int) -> tuple[Refined, Hints | None]:
        """Labels and their weight, noisy or refined, and the hints of this step (none in the first stage)."""
        config = self.config
        if not config.uses_labels:
            shape = views.target.shape
            nothing = torch.full((shape[0], *shape[2:]), IGNORED_LABEL, device=views.target.device)
            return Refined(nothing, views.target.new_zeros(nothing.shape)), None
        noisy = batch["pseudo_label"]
        labels = Refined(noisy[:, 0], (noisy[:, 0] != IGNORED_LABEL).to(views.target.dtype))
        hinted = config.hints and (step - config.start) % config.hint_every == 0
        refined = config.refine and (config.segmentation or config.triplet_weight > 0)
        if step < config.start or not config.second_stage or not (hinted or refined):
            return labels, None
        with torch.no_grad():
            opinion = self._opinion(batch, finest)
            inverse_depth, _ = disparity_to_depth(opinion.disparity, config.loss.min_depth, config.loss.max_depth)
            confidence = batch["confidence"][:, 0]
            if config.refine:
                beta = config.refinement.beta * _ramp(step - config.start, config.beta_ramp)
                labels = refine_labels(
                    noisy[:, 0], opinion.probabilities, noisy[:, 1:], views, inverse_depth, config.refinement, beta,
                    config.loss, classes=len(self.classes),
                )  # fmt: skip
                confidence = labels.weight
            hints = None
            if hinted:
                hints = self._hints(batch, views, finest, inverse_depth, labels.label, confidence)
        return labels, hints

    def _opinion(self, batch: Batch, finest: Synthesis) -> Opinion:
        """What the teacher says of the clean target, or the student's own depth."""
        images = batch["frames"][:, 0]
        if self.reference is None:
            return Opinion(self._disparity(finest.inverse_depth.detach()), None)
        classes = self.config.segmentation and self.config.refine
        prediction = self.reference.network(images, segmentation=classes, depth=True)
        probabilities = to_size(full_precision(prediction["logits"]), images).softmax(1) if classes else None
        return Opinion(finest_disparity(prediction["disparities"], images), probabilities)

    def _disparity(self, inverse_depth: Tensor) -> Tensor:
        return inverse_depth_to_disparity(inverse_depth, self.config.loss.min_depth, self.config.loss.max_depth)

    def _hints(
        self, batch: Batch, views: Views, finest: Synthesis, inverse_depth: Tensor, labels: Tensor, confidence: Tensor
    ) -> Hints:
        """Propose planes (2.6), and accept what the images confirm (2.7)."""
        config, full = self.config, labels
        error, now, step = finest.error.detach(), finest.inverse_depth.detach(), config.hint_downsample
        if step > 1:
            size = (labels.shape[-2] // step, labels.shape[-1] // step)
            views = smaller_views(views, size, config.loss)
            inverse_depth, now = shrink(inverse_depth, size), shrink(now, size)
            error = synthesize(self._disparity(now), views, config.loss).error
            labels, confidence = thinned(labels, step), thinned(confidence, step)
        proposals = propose(
            inverse_depth, labels, error, config.proposals,
            ClassGroups(self.sky, self.foreground, self.ground, self.standing),
            far_value=1 / config.loss.max_depth, classes=len(self.classes),
        )  # fmt: skip
        if config.oracle:
            verified = self._verified_by_truth(thinned(batch["depth"], step), proposals, now)
        else:
            dynamic = self.dynamic if config.dynamic_guard else ()
            judges = judging_sources(labels, dynamic, [offset == "s" for offset in self.synthesis.offsets])
            errors = candidate_errors(proposals.inverse_depth, views, config.loss, judges)
            verified = verify(
                errors, error, views.identity_error, labels, confidence, config.verification, proposals.valid
            )
        best, mask = proposals.inverse_depth.gather(1, verified.best), verified.mask
        if step > 1:
            best, mask = enlarged_hints(best, mask, labels, full)
        return Hints(best, mask, labels, proposals, verified)

    def _verified_by_truth(self, depth: Tensor, proposals: Proposals, inverse_depth: Tensor) -> Verified:
        """Accept the proposal that is nearest to measured depth (metres), where it is nearer than depth is now.

        Without a known scale, truth is brought to that of the prediction by the median of each image.
        """
        known = depth > 0
        truth = torch.where(known, depth, torch.ones_like(depth)) / self.metres_per_unit
        if self.scale != "metric":
            ratio = (truth * inverse_depth).log().masked_fill(~known, torch.nan).flatten(1).nanmedian(1).values
            truth = truth / ratio.nan_to_num().exp()[:, None, None, None]
        wrong = (proposals.inverse_depth * truth).clamp(min=1e-6).log().abs().masked_fill(~proposals.valid, torch.inf)
        least, best = wrong.min(dim=1, keepdim=True)
        now = (inverse_depth * truth).log().abs()
        return Verified(known & (least < now), best, (now - least).clamp(-1, 1))

    def _class_loss(self, logits: Tensor, labels: Refined) -> Tensor:
        """Mean over labelled pixels of weight times loss."""
        counted = (labels.label != IGNORED_LABEL).to(labels.weight)
        weight = labels.weight * counted * (counted.numel() / counted.sum().clamp(min=1))
        return CLASS_LOSSES[self.config.segmentation_loss](logits, labels.label, pixel_weight=weight)

    def _hint_loss(self, disparities: dict[int, Tensor], hints: Hints, labels: Tensor, step: int) -> Tensor:
        """Mean over the scales; every disparity is brought to full size before it becomes depth."""
        config = self.config
        form = config.hint_form
        if form == "auto":
            form = "log_l1" if self.scale == "metric" else "log_ratio"
        target, size = 1 / hints.inverse_depth.clamp(min=1 / config.loss.max_depth), hints.mask.shape[-2:]
        total = target.new_zeros(())
        weight = class_balance(labels, hints.mask, config.hint_balance) if config.hint_balance > 0 else None
        for disparity in disparities.values():
            full = resize_inverse_depth(disparity, size)
            _, depth = disparity_to_depth(full, config.loss.min_depth, config.loss.max_depth)
            total = total + hint_loss(depth, target, hints.mask, form, weight)
        ramped = config.hint_weight * config.hint_every * _ramp(step - config.start, config.ramp)
        return ramped * total / len(disparities)

    def _hint_log(self, hints: Hints) -> dict[str, Tensor]:
        """Shares of accepted hints and their gain, by class, too, and by family of proposals."""
        names = self.classes.classes
        statistics = hint_statistics(hints.verified, hints.labels, hints.proposals.family, len(names))
        families = {f"won_{name}" for name in self.config.proposals.families}
        logged = {}
        for key, value in statistics.items():
            kind, by_class, number = key.partition("_class_")
            if by_class:
                logged[f"_hint_{kind}/{names[int(number)]}"] = value
            elif not key.startswith("won_") or key in families:
                logged[f"_hint_{key}"] = value
        return logged

    def after_step(self, step: int) -> None:
        """The teacher starts as the student of the first stage and then follows it."""
        if self.reference is None:
            return
        if step < self.config.start:
            if step + 1 == self.config.start:
                self.reference.restart(self.network)
            return
        self.reference.update(self.network, None)

    def remark(self, values: Mapping[str, float]) -> str:
        if "_hint_accepted" not in values or values["_hint_accepted"] > 0:
            return ""
        return (
            "the images confirmed no hint: labels without regions that planes fit, frames that do not overlap, a "
            "camera that stands still, or depth that is right already"
        )

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """``disparity`` and ``inverse_depth`` (B, 1, H, W), in 1 / training unit; ``logits`` (B, K, H, W)."""
        prediction = self.network(images, segmentation=self.config.segmentation, depth=True)
        outputs = depth_maps(prediction["disparities"], images, self.config.loss)
        if self.config.segmentation:
            outputs["logits"] = to_size(full_precision(prediction["logits"]), images)
        return outputs

    @torch.no_grad()
    def diagnose(self, batch: Batch) -> dict[str, Tensor]:
        """Maps of view synthesis as of :class:`~vergence.methods.depth.DepthMethod`; with noisy labels in the batch
        also ``noisy``, ``refined`` (B, H, W), ``weight`` (B, H, W), ``hint`` and ``hint_mask`` (B, 1, H, W)."""
        views = self.synthesis.views(batch, 0, noise=False)
        outputs = self.predict(batch["frames"][:, 0])
        seen = synthesize(outputs["disparity"], views, self.config.loss)
        maps = self.synthesis.seen_maps(seen, views)
        if "logits" in outputs:
            maps["probabilities"] = outputs["logits"].softmax(1)
        if "pseudo_label" in batch and self.config.second_stage:
            full = self.config.start + self.config.hint_every * self.config.beta_ramp  # a step that looks for hints
            labels, hints = self.second_opinion(batch, views, seen, full)
            maps |= {"noisy": batch["pseudo_label"][:, 0], "refined": labels.label, "weight": labels.weight}
            if hints is not None:
                maps |= {"hint": hints.inverse_depth, "hint_mask": hints.mask}
        return maps

    def frame_pictures(self, batch: Batch) -> Exhibit:
        return self.synthesis.pictures(batch, self.diagnose(batch))

    def training_pictures(self, batches: Mapping[str, Batch]) -> Exhibit:
        """Frame, noisy and refined labels, inverse depth, accepted hints."""
        batch = batches["unlabelled"]
        maps = self.diagnose(batch)
        changed = (maps["refined"] != maps["noisy"]).double()
        changes = notes("{:.1%} of the pixels changed", means(changed))
        pictures = [
            Shown("frame", "photograph", batch["frames"][:, 0]),
            Shown("noisy labels", "classes", maps["noisy"], space=self.classes),
            Shown("refined labels", "classes", maps["refined"], changes, space=self.classes),
            Shown("inverse depth", "inverse_depth", maps["inverse_depth"]),
        ]
        if "hint" in maps:
            accepted = maps["hint_mask"] > 0.5
            hints = maps["hint"].masked_fill(~accepted, torch.nan)
            shares = notes("{:.1%} of the pixels", means(accepted))
            pictures.append(Shown("accepted hints", "inverse_depth", hints, shares))
        return Exhibit(pictures, HINTS)


def _check_downsample(options: FrameOptions, factor: int) -> None:
    height, width = options.random_crop or (options.height, options.width)
    if factor > 1 and min(height, width) < LEAST_SIDE * factor:
        raise InputError(
            f"semhint.hint_downsample is {factor}, which leaves {width // factor}x{height // factor} of frames of "
            f"{width}x{height}; hints need {LEAST_SIDE} rows and columns: give a smaller factor, such as 1."
        )


def _ramp(done: int, length: int) -> float:
    """0 to 1 within ``length`` steps."""
    return 1.0 if length <= 0 else min(max(done / length, 0.0), 1.0)
