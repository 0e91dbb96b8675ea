"""Weak-to-strong consistency in the manner of UniMatch (Yang et al., CVPR 2023) and UniMatch V2 (TPAMI 2025).

A mean teacher labels the weakly changed frame; the student must say the same of two strongly changed views of it, whose
encoder features lose complementary halves of their channels. The modern baseline beside Three Ways, with its switches
for depth: DepthMix in place of CutMix, transfer from a depth run, view synthesis beside segmentation. Written from the
papers; what differs is said in docs/recipes.md.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.imaging.transforms import apply_jitter
from vergence.losses.segmentation import IGNORED_LABEL, cross_entropy, pseudo_labels
from vergence.methods.consistency import Mixed, mix_mask
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.unimatch_config import UniMatchConfig, WeakToStrongConfig
from vergence.mixing.augment import gaussian_blur
from vergence.mixing.draws import draw_rows
from vergence.mixing.mix import mix
from vergence.models.freeze import statistics_kept

LUMINANCE = (0.299, 0.587, 0.114)
BLUR = (0.1, 2.0)
"""Least and largest sigma, pixels."""


class UniMatchMethod(ThreeWaysMethod):
    """A student, two strong views of every unlabelled frame, and the mean teacher that labels them."""

    settings = UniMatchConfig
    config: UniMatchConfig
    eager_parts = ("mixed", "halved")

    def unlabelled_losses(self, batch: Batch, step: int, probabilities: Tensor) -> dict[str, Tensor]:
        """Both views in one pass; the loss is the mean of theirs."""
        settings = self.config.consistency
        losses, depth = self.unlabelled_depth(batch, step)
        views = self.mixed(batch, probabilities, depth), self.mixed(batch, probabilities, depth)
        images = batch["frames"][:, 0]
        keep = not settings.mixed_statistics
        with statistics_kept(self.network, keep):
            features = self.network.encode(torch.cat([view.images for view in views]))
        features = self.halved(features)  # outside: a compiler cannot leave the step and come back within
        with statistics_kept(self.network, keep):
            logits = self.network.decode(features, images.shape[-2:])["logits"].chunk(2)
        parts = [confident_loss(own, view, settings) for own, view in zip(logits, views, strict=True)]
        losses["consistency"] = settings.weight * torch.stack(parts).mean()
        if settings.clean > 0:
            label, confidence, share = pseudo_labels(probabilities, settings.confidence)
            clean = Mixed(images, torch.ones_like(images[:, :1]), label, confidence, share)
            losses["clean"] = settings.clean * confident_loss(self.network(images)["logits"], clean, settings)
        losses["_confident"] = torch.stack([view.share for view in views]).mean()
        losses["_own"] = torch.stack([view.mask.mean() for view in views]).mean()
        return losses

    def halved(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Features of both views without complementary halves of their channels, with the step's draws."""
        return complementary_dropout(features, self.config.consistency.dropout, self.generator)

    @torch.no_grad()
    def mixed(self, batch: Batch, probabilities: Tensor, depth: Tensor | None) -> Mixed:
        """A strong view: colours changed for each image alone, then images and pseudo-labels mixed by one mask."""
        settings, images = self.config.consistency, batch["frames"][:, 0]
        unmixed = draw_rows(len(images), generator=self.generator) >= settings.mix_probability
        unmixed = unmixed.to(images.device, non_blocking=True)
        mask = mix_mask(settings, probabilities, depth, self.generator).masked_fill(unmixed[:, None, None, None], 1)
        label, confidence, share = pseudo_labels(mix(probabilities, mask), settings.confidence)
        changed = strong_colors(images, settings, self.generator)
        return Mixed(mix(changed, mask), mask, label, confidence, share)


def confident_loss(logits: Tensor, view: Mixed, config: WeakToStrongConfig) -> Tensor:
    """Cross-entropy of the confident pixels over the number of ALL pixels that have a pseudo-label (0 if none has)."""
    valid = view.label != IGNORED_LABEL
    weight = (view.confidence >= config.confidence) & valid if config.confidence_weight else valid
    share = valid.float().mean()  # the loss below is a mean over all pixels
    loss = cross_entropy(logits, view.label, pixel_weight=weight)
    return loss / torch.where(share > 0, share, torch.ones_like(share))


def complementary_dropout(
    features: Sequence[Tensor], probability: float, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Take from the features of two views of B frames (2 B, C, h, w) complementary channels, and double the others.

    Each channel of a frame is left to one of its views, drawn anew for every level. ``probability`` is that of a frame
    to be changed at all.
    """
    if any(len(feature) % 2 for feature in features):
        raise ValueError(f"expected features of two views, got {[len(feature) for feature in features]} images")
    frames = len(features[0]) // 2
    spared = draw_rows(frames, generator=generator) >= probability
    dropped = []
    for feature in features:
        first = 2 * (draw_rows(frames, feature.shape[1], generator=generator) < 0.5).to(feature.dtype)
        kept = torch.stack([first, 2 - first]).masked_fill(spared[:, None], 1)  # (2, B, C)
        dropped.append(feature * kept.flatten(0, 1).to(feature.device, non_blocking=True)[:, :, None, None])
    return dropped


def strong_colors(images: Tensor, config: WeakToStrongConfig, generator: torch.Generator | None = None) -> Tensor:
    """Images (B, 3, H, W) with colours changed (as in the papers: all factors multiply), taken away, or blurred.

    Each image draws for itself, all numbers whatever the probabilities are.
    """
    draws = draw_rows(len(images), 12, generator=generator)
    return torch.stack([_changed(image, draw, config) for image, draw in zip(images, draws, strict=True)])


def _changed(image: Tensor, uniform: Tensor, config: WeakToStrongConfig) -> Tensor:
    jitters, greys, blurs, between = uniform[:4].tolist()
    spread = config.strength * torch.tensor([1.0, 1.0, 1.0, 0.5])
    factors = torch.tensor([1.0, 1.0, 1.0, 0.0]) + spread * (2 * uniform[4:8] - 1)
    draw = torch.cat([factors, uniform[8:].argsort().float()])
    if jitters < config.jitter:
        image = apply_jitter(image, draw)
    if greys < config.grey:
        image = grey(image)
    return gaussian_blur(image[None], BLUR[0] + between * (BLUR[1] - BLUR[0]))[0] if blurs < config.blur else image


def grey(images: Tensor) -> Tensor:
    """Luminance (ITU-R BT.601) of images (..., 3, H, W) in all three channels."""
    red, green, blue = images.unbind(-3)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(-3).expand_as(images)
