"""The head of recipe frozen-video on features that were made once: a run is a few seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.claims.claim import Numbers
from vergence.data.imaging.images import open_image
from vergence.data.labels import LabelSpace, label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.inference.inputs import ground_truth_label
from vergence.methods.supervised import segmentation_losses
from vergence.metrics.segmentation import confusion_matrix, scores
from vergence.models.encoders import Encoder, build_encoder
from vergence.models.freeze import freeze
from vergence.models.pretrained import load_parts
from vergence.models.segmentation_heads import SegmentationHead
from vergence.runs.folder import find_weights

STRIDES = (4, 8, 16, 32)
WIDTH, HIDDEN = 16, 32
STEPS, BATCH, RATE, BALANCE = 150, 4, 1e-2, 0.5
LARGE = 200
"""Rows from which frames are large: the head then works at stride 8, and every second pixel of labels is scored."""


@dataclass
class Frames:
    """Frames with features and labels at one size."""

    manifest: Manifest
    features: list[list[Tensor]]
    """Of each frame, a map (C, h, w) float16 a stride."""
    labels: list[Tensor]
    """(H, W) uint8, 255 = none."""
    space: LabelSpace
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.labels)


def encoder_of(start: str, depth_run: Path | None) -> Encoder:
    """EfficientNet-Lite0 with random weights of one seed, ImageNet's, or those of a depth run; frozen."""
    torch.manual_seed(0)
    encoder = build_encoder("efficientnet_lite0", "none" if start == "scratch" else "auto")
    if depth_run is not None:
        holder = torch.nn.Module()
        holder.network = torch.nn.Module()
        holder.network.encoder = encoder
        load_parts(holder, find_weights(depth_run), ("encoder",))
    return freeze(encoder)


def frames_of(manifest: Manifest, encoder: Encoder, size: tuple[int, int], file: Path) -> Frames:
    """Features and labels of all frames, read from ``file`` or made and kept there."""
    space = label_space(manifest[0].label_space)
    names = [row.image for row in manifest]
    if file.is_file():
        kept = torch.load(file, weights_only=True)
        if kept["names"] == names:
            return Frames(manifest, kept["features"], kept["labels"], space, size)
    places = [encoder.strides.index(stride) for stride in STRIDES]
    features, labels = [], []
    for row in range(len(manifest)):
        with torch.no_grad():
            maps = encoder(picture(manifest, row, size)[None])
        features.append([maps[place][0].half() for place in places])
        labels.append(at_size(np.array(ground_truth_label(manifest, row, space)), size))
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save({"names": names, "features": features, "labels": labels}, partial)
    partial.rename(file)
    return Frames(manifest, features, labels, space, size)


def picture(manifest: Manifest, row: int, size: tuple[int, int]) -> Tensor:
    """(3, H, W) in [0, 1]."""
    image = open_image(manifest.path(row)).convert("RGB").resize(size[::-1], 2)  # bilinear
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def at_size(label: np.ndarray[Any, Any], size: tuple[int, int]) -> Tensor:
    """Ids (H, W) by nearest neighbour."""
    return F.interpolate(torch.from_numpy(label)[None, None].float(), size, mode="nearest-exact")[0, 0].byte()


@dataclass
class Lesson:
    """What a head learns from: frames, by place, with labels of their own or other ones."""

    frames: Frames
    rows: Sequence[int]
    labels: Sequence[Tensor] | None = None
    confidence: Sequence[Tensor] | None = None
    """(H, W) uint8, 255 = sure."""


def learned(lesson: Lesson, seed: int, steps: int = STEPS) -> SegmentationHead:
    """A head after so many steps; the seed decides its start and the order of frames."""
    frames = lesson.frames
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    channels = {stride: maps.shape[0] for stride, maps in zip(STRIDES, frames.features[0], strict=True)}
    large = frames.size[0] >= LARGE
    head = SegmentationHead(channels, len(frames.space), WIDTH, HIDDEN, 8 if large else 4, 0.1)
    step = 4 if large else 2  # pixels between those of the loss: a head's maps are coarser still
    optimizer = torch.optim.AdamW(head.parameters(), RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    labels = lesson.labels or [frames.labels[row] for row in lesson.rows]
    for _ in range(steps):
        drawn = rng.choice(len(lesson.rows), min(BATCH, len(lesson.rows)), replace=False)
        logits = at_stride(head, frames, [lesson.rows[place] for place in drawn], step)
        batch: Any = {"label": torch.stack([thinned(labels[place], step) for place in drawn]).long()}
        if lesson.confidence is not None:
            batch["label_confidence"] = torch.stack([thinned(lesson.confidence[place], step) for place in drawn])
        loss = segmentation_losses({"logits": logits}, batch, BALANCE)["segmentation"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval()


def stacked(frames: Frames, rows: Sequence[int]) -> dict[int, Tensor]:
    """Features of some frames by stride, (B, C, h, w) float32."""
    return {
        stride: torch.stack([frames.features[row][level] for row in rows]).float()
        for level, stride in enumerate(STRIDES)
    }


def at_stride(head: SegmentationHead, frames: Frames, rows: Sequence[int], step: int) -> Tensor:
    """Logits (B, K, H / step, W / step); the head reads features by their own strides."""
    size = frames.size
    head.stride = (8 if size[0] >= LARGE else 4) // step
    logits: Tensor = head(stacked(frames, rows), (size[0] // step, size[1] // step))
    return logits


def thinned(label: Tensor, step: int) -> Tensor:
    """Every so many-th pixel, from the middle of each cell."""
    return label[step // 2 :: step, step // 2 :: step]


@torch.no_grad()
def scored(head: SegmentationHead, frames: Frames, rows: Sequence[int], prefix: str = "") -> Numbers:
    """mIoU over the classes that the labels have, share of right pixels, and the IoU of each of these classes."""
    counts = torch.zeros(len(frames.space), len(frames.space), dtype=torch.int64)
    for row in rows:
        step = 2 if frames.size[0] >= LARGE else 1
        best = at_stride(head, frames, [row], step).argmax(1)
        counts += confusion_matrix(best, thinned(frames.labels[row], step)[None].long(), len(frames.space))
    return numbers_of(counts, frames.space, prefix)


def numbers_of(confusion: Tensor, space: LabelSpace, prefix: str = "") -> Numbers:
    """Scores of a confusion matrix."""
    there = [k for k in range(len(space)) if int(confusion[k].sum())]
    found = scores(confusion, there)
    numbers: Numbers = {f"{prefix}miou": found["miou"], f"{prefix}pixel_accuracy": found["pixel_accuracy"]}
    values = found["class_iou"].tolist()
    return numbers | {f"{prefix}iou {space.classes[k]}": value for k, value in zip(there, values, strict=True)}


def carried_label(path: Path, size: tuple[int, int]) -> Tensor:
    """A label picture at a size."""
    return at_size(read_label(path), size)
