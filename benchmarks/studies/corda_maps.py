"""Pseudo-labels and adaptation difficulty of a CorDA run on target frames with labels, which it has never read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.dataset import FrameDataset
from vergence.data.labels import LabelSpace
from vergence.data.loading import collate, prepare_batch
from vergence.evaluation.evaluate import open_data
from vergence.inference.depth_port import with_estimates
from vergence.inference.inputs import evenly_spaced, has_label
from vergence.report.training_samples import training_method
from vergence.runs.checkpoint import load_run

AUROC = ("auroc_difficulty", "auroc_confidence", "auroc_both")


class Seen(NamedTuple):
    """One target frame."""

    image: NDArray[np.uint8]  # (H, W, 3)
    truth: Tensor  # (H, W), 255: none
    pseudo_label: Tensor  # (H, W)
    confidence: Tensor  # (H, W)
    difficulty: Tensor | None  # (H, W) in [0.001, 1], 1: easy; None without two depth decoders


def look(run: Path, data: Path, frames: int | None) -> tuple[LabelSpace, Iterator[Seen]]:
    """The run's label space, and what its teacher and its student say of evenly spaced frames it is evaluated on.

    Whole frames, networks in evaluation mode; their depth is supervised as that of the target was in training.
    """
    loaded = load_run(run)
    method = training_method(loaded).eval()
    manifest = open_data(loaded, data, None)
    labelled = [index for index in range(len(manifest)) if has_label(manifest, index)]
    chosen = {manifest[index].image for index in evenly_spaced(labelled, frames)}
    manifest = manifest.select(predicate=lambda row: row.image in chosen)
    target = loaded.config.section.roles["target"]
    options = target.frame_options(loaded.config.frames.options)
    if target.depth_port:
        manifest = with_estimates(manifest, target.depth_port, (options.height, options.width))
    dataset = FrameDataset(manifest, replace(options, load_label=True, random_crop=None), train=False)
    assert method.label_space is not None
    return method.label_space, (_one(method, dataset, place) for place in range(len(dataset)))


@torch.no_grad()
def _one(method: torch.nn.Module, dataset: FrameDataset, place: int) -> Seen:
    batch = prepare_batch(collate([dataset[place]]))
    found = method.diagnose(batch)  # type: ignore[operator]
    image = (batch["frames"][0, 0].permute(1, 2, 0) * 255).round().byte().numpy()
    difficulty = found["difficulty"][0, 0] if "difficulty" in found else None
    label, confidence = (found[name][0].reshape(image.shape[:2]) for name in ("pseudo_label", "confidence"))
    return Seen(image, batch["label"][0], label, confidence, difficulty)


def rank_errors(run: Path, data: Path, frames: int | None) -> dict[str, float]:
    """How well three scores find the wrong pixels of pseudo-labels: AUROC over all labelled pixels of all frames.

    ``auroc_difficulty`` of the adaptation difficulty, ``auroc_confidence`` of the teacher's own doubt, ``auroc_both``
    of the product of both weights; ``pseudo_label_error`` is the share of wrong pixels.
    """
    from torchmetrics.functional.classification import binary_auroc  # of scores in [0, 1], the larger the more wrong

    wrong, confidence, weight = [], [], []
    for seen in look(run, data, frames)[1]:
        known = seen.truth != 255
        wrong.append((seen.pseudo_label != seen.truth)[known])
        confidence.append(seen.confidence[known].double())
        if seen.difficulty is not None:
            weight.append(seen.difficulty[known].double())
    errors, sure = torch.cat(wrong), torch.cat(confidence)
    found = {
        "pseudo_label_error": float(errors.double().mean()),
        "auroc_confidence": float(binary_auroc(1 - sure, errors)),
    }
    if weight:
        easy = torch.cat(weight)
        found |= {
            "auroc_difficulty": float(binary_auroc(1 - easy, errors)),
            "auroc_both": float(binary_auroc(1 - easy * sure, errors)),
        }  # fmt: skip
    return found
