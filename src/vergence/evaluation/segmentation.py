"""Classes of a run against labels: IoU from one confusion matrix, beside an input-free answer and no training."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.buckets.addresses import named
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.baselines import MostFrequentClass, class_prior_of_run
from vergence.evaluation.class_protocols import CLASS_PROTOCOLS, ClassProtocol, class_protocol
from vergence.inference.inputs import ground_truth_label, network_size, resize_label
from vergence.methods import Method
from vergence.metrics.segmentation import confusion_matrix, only_truth_of, scores
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.config_sections import check_resolution
from vergence.runs.folder import RunFolder

SEGMENTATION_METRICS = ("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")


def best_class(logits: Tensor, size: tuple[int, int] | torch.Size, corners_aligned: bool = False) -> Tensor:
    """Class ids (H, W) of logits (K, h, w), resized bilinearly with half-pixel centres or with corners aligned."""
    if logits.shape[-2:] != tuple(size):
        logits = F.interpolate(logits[None].float(), tuple(size), mode="bilinear", align_corners=corners_aligned)[0]
    return logits.max(dim=0).indices  # on CPUs three times as fast as argmax


@dataclass
class ClassScores:
    """One predictor against all images: the confusion matrix, and what each image's numbers need. On the device."""

    name: str
    note: str
    space: LabelSpace
    protocol: ClassProtocol = CLASS_PROTOCOLS["all"]
    confusion: Tensor | None = None
    counts: list[Tensor] = field(default_factory=list)
    """(3, K) of each image and the averaged classes: pixels that agree, of the truth, of the prediction."""

    @property
    def classes(self) -> list[int]:
        """Ids of the classes that are averaged."""
        return self.protocol.averaged(self.space.classes)

    @property
    def names(self) -> list[str]:
        return [self.space.classes[number] for number in self.classes]

    def add(self, prediction: Tensor, label: Tensor) -> None:
        """Compare class ids (H, W) with a label (H, W), 255 = none."""
        counts = confusion_matrix(prediction, label, len(self.space))
        self.confusion = counts if self.confusion is None else self.confusion + counts
        counts = only_truth_of(counts, self.classes) if self.protocol.drops else counts
        self.counts.append(torch.stack((counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)))[:, self.classes])

    def extend(self, other: "ClassScores") -> None:
        """Take in images that were scored elsewhere, behind one's own."""
        if self.confusion is None or other.confusion is None:
            self.confusion = other.confusion if self.confusion is None else self.confusion
        else:
            self.confusion = self.confusion + other.confusion
        self.counts += other.counts

    def plain(self) -> dict[str, Any]:
        """All numbers as plain values, exactly."""
        confusion = None if self.confusion is None else self.confusion.tolist()
        counts = [count.tolist() for count in self.counts]
        return {"name": self.name, "note": self.note, "confusion": confusion, "counts": counts}

    def of_plain(self, values: dict[str, Any]) -> "ClassScores":
        """From what :meth:`plain` gives, of the same classes."""
        confusion = None if values["confusion"] is None else torch.tensor(values["confusion"])
        counts = [torch.tensor(count) for count in values["counts"]]
        return replace(self, name=values["name"], note=values["note"], confusion=confusion, counts=counts)

    def summary(self) -> dict[str, Any]:
        """Shares from 0 to 1 over all pixels of all images; classes that nobody saw are NaN and not in ``miou``."""
        assert self.confusion is not None
        numbers: dict[str, Any] = {**scores(self.confusion, self.classes, self.protocol.drops)}
        classes = numbers["class_iou"].tolist()
        return {
            "name": self.name,
            **{metric: numbers[metric] for metric in SEGMENTATION_METRICS},
            "class_iou": dict(zip(self.names, classes, strict=True)),
            "confusion": self.confusion[self.classes][:, self.classes].tolist(),
            "note": self.note,
        }

    def image_rows(self, images: list[str]) -> list[dict[str, Any]]:
        """Numbers of each image of its own; images without a labelled pixel are left out."""
        rows = []
        counts = torch.stack(self.counts).cpu().double() if self.counts else torch.zeros(0, 3, len(self.names))
        for image, (agreed, truth, predicted) in zip(images, counts, strict=True):
            if truth.sum() > 0:
                iou = agreed / (truth + predicted - agreed)
                numbers = {"miou": float(iou.nanmean()), "pixel_accuracy": float(agreed.sum() / truth.sum())}
                class_columns = dict(zip(self.names, iou.tolist(), strict=True))
                rows.append({"name": self.name, "image": image, **numbers, "pixels": int(truth.sum()), **class_columns})
        return rows


class SegmentationEvaluation:
    """Gathers confusion matrices; ``rows`` are those of the manifest that have labels.

    Args:
        resolution: "working": prediction and labels at the network's input size, the labels by nearest neighbour;
            "native": logits resized bilinearly to each label's own size; "WIDTHxHEIGHT": both at that size.
        methods: what is scored, by name; with "untrained" among them the input-free answer is scored too.
        classes: which classes are averaged; see :mod:`vergence.evaluation.class_protocols`.
    """

    task = "segmentation"

    def __init__(
        self,
        run: LoadedRun,
        manifest: Manifest,
        rows: list[int],
        resolution: str,
        methods: dict[str, Method],
        untrained_note: str = "",
        classes: str = "all",
    ) -> None:
        self.run, self.manifest, self.rows, self.resolution = run, manifest, rows, resolution
        self.size = check_resolution(resolution)
        space = run.method.label_space
        if space is None:
            raise InputError(f"{run.path} does not say which classes it predicts; train it again.")
        self.space, self.protocol = space, class_protocol(classes)
        self.protocol.averaged(space.classes)
        self.images: list[str] = []
        self.sizes: set[tuple[int, int]] = set()
        self.predictors = [ClassScores("trained", "", space, self.protocol)]
        self._prior: MostFrequentClass | None = None
        self._left_out = False
        if "untrained" in methods:
            self._prior, origin = class_prior_of_run(run, rows, self.truth, space)
            self._left_out = origin.startswith("leave-one-out")
            if self._prior is not None:
                self.predictors.append(ClassScores("input_free", origin, space, self.protocol))
            self.predictors.append(ClassScores("untrained", untrained_note, space, self.protocol))

    def truth(self, index: int) -> NDArray[np.uint8]:
        """What a row is scored against: class ids (H, W) at the resolution that was asked for, 255 = none."""
        label = ground_truth_label(self.manifest, index, self.space)
        if self.resolution == "native":
            return label
        row = self.manifest[index]
        width, height = (row.width, row.height) if row.width else (label.shape[1], label.shape[0])
        return resize_label(label, *(self.size or network_size(self.run.config.frames.options, width, height)))

    def add(self, index: int, truth: NDArray[np.uint8], maps: dict[str, dict[str, Tensor]]) -> None:
        """Score one image; ``maps`` holds ``logits`` (K, h, w) of each method by name."""
        self.images.append(named(self.manifest[index].image))
        self.sizes.add((truth.shape[0], truth.shape[1]))
        label = torch.from_numpy(truth).to(maps["trained"]["logits"].device)
        for predictor in self.predictors:
            if predictor.name == "input_free":
                assert self._prior is not None
                answer = self._prior.answer(truth.shape, truth if self._left_out else None).to(label.device)
            else:
                answer = best_class(maps[predictor.name]["logits"], label.shape, self.run.method.corners_aligned)
            predictor.add(answer, label)

    def state(self) -> dict[str, Any]:
        """What was added so far, as plain values, for :meth:`merge` in another process."""
        predictors = [predictor.plain() for predictor in self.predictors]
        return {"images": self.images, "sizes": sorted(self.sizes), "predictors": predictors}

    def merge(self, parts: list[dict[str, Any]]) -> None:
        """Take the states of all processes, by rank, instead of this one's own."""
        self.images = [image for part in parts for image in part["images"]]
        self.sizes = {(height, width) for part in parts for height, width in part["sizes"]}
        first, *others = ([self.predictors[0].of_plain(one) for one in part["predictors"]] for part in parts)
        self.predictors = first
        for predictors in others:
            for own, other in zip(self.predictors, predictors, strict=True):
                own.extend(other)

    def result(self) -> dict[str, Any]:
        """Name, protocol, label space, what the run was trained with, and one row a predictor.

        InputError where no pixel of any image has a label.
        """
        counted = [int(count[1].sum()) for count in self.predictors[0].counts]
        if not any(counted):
            raise InputError(
                f"{self.manifest.name} has labels, but none of their pixels is of a class of {self.space.name}; "
                "look at the labels, or evaluate on others."
            )
        averaged = self.predictors[0].classes
        seen = sum(bool(self._truth_of_class(k)) for k in averaged)
        convention = "".join(f", {text}" for text in (self.protocol.describe(),) if text)
        suffix = "" if self.protocol.name == "all" else f"-{self.protocol.name}"
        labelled = RunFolder(self.run.path).labelled()
        return {
            "name": f"segmentation-{self.resolution}{suffix}",
            "protocol": f"mIoU of {self.space.name} ({seen} of {len(averaged)} classes in the labels{convention}), "
            f"prediction and labels at {self._where()}",
            "label_space": self.space.text(),
            "classes": self.protocol.name,
            "resolution": self.resolution,
            "images": sum(pixels > 0 for pixels in counted),
            "pixels": sum(counted),
            "training": [] if labelled is None else [f"trained with {labelled.words}"],
            "labelled": None if labelled is None else {"digest": labelled.digest, "describe": labelled.words},
            "rows": [predictor.summary() for predictor in self.predictors],
        }

    def image_rows(self) -> list[dict[str, Any]]:
        """One row for each predictor and image."""
        return [row for predictor in self.predictors for row in predictor.image_rows(self.images)]

    def _truth_of_class(self, k: int) -> int:
        confusion = self.predictors[0].confusion
        assert confusion is not None
        return int(confusion[k].sum())

    def _where(self) -> str:
        sizes = sorted(self.sizes)
        size = f"{sizes[0][1]}x{sizes[0][0]}" if len(sizes) == 1 else f"{len(sizes)} sizes"
        return {"working": f"network size {size}", "native": f"the labels' own size {size}"}.get(self.resolution, size)
