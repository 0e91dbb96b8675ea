"""Three Ways with labels of a second domain (Hoyer et al., IJCV 2023; three_ways.md 7.1): semi-supervised adaptation.

To learning on the target domain (:mod:`vergence.methods.three_ways`) come labelled frames of a source domain, and
frames in which either domain's nearer surfaces hide the other's, chosen so that their geometries match.
"""

from typing import cast

import torch
from torch import Tensor

from vergence.data.batch import ON_HOST, Batch
from vergence.losses.segmentation import cross_entropy, pseudo_labels
from vergence.methods.consistency import Mixed
from vergence.methods.ssda_config import SSDAConfig
from vergence.methods.supervised import segmentation_losses
from vergence.methods.three_ways import ThreeWaysMethod, weakened
from vergence.mixing.augment import draw_strong, strong_augment
from vergence.mixing.draws import draw_signs
from vergence.mixing.masks import depthmix_mask
from vergence.mixing.mix import mix
from vergence.models.freeze import statistics_kept


class SSDAMethod(ThreeWaysMethod):
    """Student and mean teacher of Three Ways, with labels of two domains."""

    settings = SSDAConfig
    config: SSDAConfig
    eager_parts = ("crossed", "mixed")

    def forward(self, batches: dict[str, Batch], step: int) -> dict[str, Tensor]:
        """Labels of the target, labels of the source, frames mixed across domains, frames mixed within the target."""
        losses = self.labelled_losses(batches["labelled"], step)
        source = batches["source"]
        if self.config.crosses:
            source = self.matched(source, batches["unlabelled"])
        losses |= self.source_losses(source)
        factor = self.config.self_training(step)
        if factor > 0:
            target = batches["unlabelled"]
            probabilities = self.pseudo_probabilities(target)
            cross = self.cross_losses(source, target, probabilities) if self.config.crosses else {}
            losses |= weakened(cross | self.unlabelled_losses(target, step, probabilities), factor)
        return losses

    def source_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy on labelled source frames."""
        prediction = self.network(batch["jittered"][:, 0], side=self.network.side is not None)
        losses = segmentation_losses(prediction, batch, self.config.class_balance)
        return {"source": self.config.source_weight * losses["segmentation"], "_source": losses["_labelled"]}

    def matched(self, source: Batch, target: Batch) -> Batch:
        """The best of each target frame's own candidates (Matching Geometry Sampling).

        Without what stays on the CPU: which candidates they are, only the device knows.
        """
        rows = best_matches(source["estimate"], target["estimate"], self.config.ignored_top, self.config.ignored_bottom)
        maps = {name: cast(Tensor, value) for name, value in source.items() if name not in ON_HOST}
        return cast(Batch, {name: value.index_select(0, rows) for name, value in maps.items()})

    def cross_losses(self, source: Batch, target: Batch, probabilities: Tensor) -> dict[str, Tensor]:
        """The student on frames mixed across domains."""
        mixed = self.crossed(source, target, probabilities)
        weight = cross_weight(mixed.mask, mixed.share)
        with statistics_kept(self.network, keep=not self.config.consistency.mixed_statistics):
            logits = self.network(mixed.images)["logits"]
        loss = cross_entropy(logits, mixed.label, pixel_weight=weight)
        return {"cross": self.config.cross_weight * loss, "_from_source": mixed.mask.mean()}

    @torch.no_grad()
    def crossed(self, source: Batch, target: Batch, probabilities: Tensor) -> Mixed:
        """Source frames over target frames (Cross-Domain DepthMix); the share is that of confident target pixels."""
        settings, count = self.config.consistency, len(source["frames"])
        margin = self.config.cross_margin * draw_signs(count, self.generator)
        mask = cross_mask(source["estimate"], target["estimate"], margin)
        label, confidence, share = pseudo_labels(probabilities, settings.confidence)
        images = mix(source["frames"][:, 0], mask, target["frames"][:, 0])
        draw = draw_strong(count, settings.jitter, settings.strength, settings.blur, generator=self.generator)
        certain = torch.ones_like(confidence)
        return Mixed(
            strong_augment(images, draw), mask, mix(source["label"], mask, label), mix(certain, mask, confidence), share
        )


def cross_mask(source: Tensor, target: Tensor, margin: Tensor) -> Tensor:
    """1 (B, 1, H, W) where the source pixel is kept: disparity of the source >= that of the target - margin (B,)."""
    margin = margin.to(target.device, target.dtype, non_blocking=True)
    return depthmix_mask(source, 0.0, other=target - margin.view(-1, 1, 1, 1))


def cross_weight(mask: Tensor, share: Tensor) -> Tensor:
    """Weights (B, H, W) of pixels: 1 of source pixels, the target's confident share of target pixels."""
    mask = mask.to(share.dtype)  # a scalar alone would not decide the precision
    return (mask + (1 - mask) * share)[:, 0]


def best_matches(source: Tensor, target: Tensor, ignored_top: float, ignored_bottom: float) -> Tensor:
    """Matching Geometry Sampling: for each target the candidate whose geometry differs least from its own.

    The difference is the mean of |log(1 + source) - log(1 + target)| without the shares of rows that are ignored.

    Args:
        source: disparity (B N, 1, H, W): the N candidates of the first target, then those of the second, ...
        target: disparity (B, 1, H, W).

    Returns:
        Rows of ``source`` (B,).
    """
    if len(source) % len(target) or source.shape[1:] != target.shape[1:]:
        raise ValueError(
            f"disparities have shapes {tuple(source.shape)} and {tuple(target.shape)}, expected (B N, 1, H, W) and "
            "(B, 1, H, W)"
        )
    height = target.shape[-2]
    rows = slice(round(ignored_top * height), height - round(ignored_bottom * height))
    count = len(source) // len(target)
    candidates = source[..., rows, :].unflatten(0, (len(target), count))
    difference = (candidates.log1p() - target[:, None, ..., rows, :].log1p()).abs().mean((2, 3, 4))
    return difference.argmin(1) + count * torch.arange(len(target)).to(target.device, non_blocking=True)
