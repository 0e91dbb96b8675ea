"""An exported file as a network: what ``vergence.load("model.onnx")`` looks through."""

import logging
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vergence.data.imaging.transforms import resize_image
from vergence.errors import InputError
from vergence.inference.exported_engines import Run, open_exported
from vergence.inference.exported_facts import MULTIPLE, Facts
from vergence.inference.inputs import network_size, on_device
from vergence.inference.network_maps import Window, checked_confidence, predict_maps, window_of
from vergence.runs.config_sections import EvaluateConfig

_log = logging.getLogger("vergence")


class ExportedNetwork:
    """A file that ``vergence export`` wrote.

    Args:
        path: .onnx, .pt2 or .xml.
        device: "cpu" or "cuda[:n]".
        flip: average with the prediction of the mirrored picture.
        window, overlap: see :func:`vergence.load`; only of files of free size.
        depth_confidence: also say how far depth can be trusted, at the cost of a second look.

    Raises:
        InputError: a missing library, a file that is damaged, incomplete or not ours, an impossible window.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        flip: bool = False,
        window: str | None = None,
        overlap: float | None = None,
        depth_confidence: bool = False,
    ) -> None:
        self.path, self.flip = path, flip
        self.facts, run = open_exported(path, device)
        facts = self.facts
        self.graph = _Graph(facts, run)
        self.name, self.tasks = str(path), facts.tasks
        self.depth_confidence = checked_confidence(depth_confidence, self.name, self.tasks)
        self.label_space = facts.space
        self.window = self._window(window, overlap)
        self.metres_per_unit = 1.0 if facts.unit == "metres" else None
        self.origin_of_metres, self.farthest = facts.scale, facts.farthest
        self.options = facts.options
        self.field_of_view = self.options.field_of_view
        self.device = torch.device("cpu")  # where its maps lie
        self._told = False

    def _window(self, window: str | None, overlap: float | None) -> Window | None:
        if "segmentation" not in self.tasks or self.facts.size is not None:
            if window not in (None, "none"):
                why = "predicts no classes" if self.facts.size is None else "sees pictures of one size only"
                raise InputError(
                    f"{self.path} {why}, so window is not possible; leave it out, or export with --size any."
                )
            return None
        return window_of(EvaluateConfig(window=self.facts.window, overlap=self.facts.overlap), window, overlap)

    def prepare(self, picture: Image.Image) -> Tensor:
        """The whole picture at the file's size, (3, h, w) uint8."""
        wanted = network_size(self.options, picture.width, picture.height)
        height, width = self.facts.size or wanted
        if abs(wanted[1] * height / (wanted[0] * width) - 1) > 0.1 and not self._told:
            self._told = True
            _log.warning(
                "%s sees pictures at %dx%d only, and its run would see one of %dx%d at %dx%d: it is stretched; export "
                "with --size any", self.path, width, height, picture.width, picture.height, wanted[1], wanted[0],
            )  # fmt: skip
        return resized_to(picture, self.facts)

    def kind(self, prepared: Tensor) -> Hashable:
        """Its size."""
        return tuple(prepared.shape)

    def maps(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """See :class:`~vergence.inference.networks.Network`."""
        return predict_maps(
            self.graph, on_device(batch, self.device), self.flip, self.window, False, self.depth_confidence
        )

    def made_by(self) -> dict[str, Any]:
        """See :class:`~vergence.inference.networks.Network`."""
        record = {
            "run": self.facts.name, "step": self.facts.step, "weights": self.facts.digest(), "tasks": list(self.tasks),
            "flip": self.flip, "window": None if self.window is None else str(self.window),
        }  # fmt: skip
        return record | ({"depth_confidence": True} if self.depth_confidence else {})


def resized_to(picture: Image.Image, facts: Facts) -> Tensor:
    """A whole picture at a file's size, (3, h, w) uint8; at its run's for this picture where the size is free."""
    height, width = facts.size or network_size(facts.options, picture.width, picture.height)
    if facts.size is None:  # a run may see any size
        height, width = (max(2, round(side / MULTIPLE)) * MULTIPLE for side in (height, width))
    resized = resize_image(picture, height, width, facts.options.resampling)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


class _Graph:
    """The file as a method that predicts."""

    corners_aligned = False

    def __init__(self, facts: Facts, run: Run) -> None:
        self.facts, self.run, self.tasks = facts, run, facts.tasks

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Maps of images (B, 3, H, W) in [0, 1], as many at once as the file takes."""
        pixels = (images * 255).round().byte() if self.facts.input == "uint8" else images
        arrays = pixels.contiguous().numpy()
        at_once = self.facts.batch or len(arrays)
        parts: list[dict[str, Any]] = []
        for start in range(0, len(arrays), at_once):
            part = arrays[start : start + at_once]
            filled = np.concatenate((part, np.repeat(part[-1:], at_once - len(part), axis=0)))
            parts.append({name: one[: len(part)] for name, one in self.run(np.ascontiguousarray(filled)).items()})
        joined = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in self.facts.outputs}
        if "segmentation" in self.tasks and "logits" not in joined:
            classes = self.facts.classes
            joined["logits"] = likely_logits(joined["classes"], joined["confidence"], len(classes))
        return joined

    predict_small = predict


def likely_logits(classes: Tensor, confidence: Tensor, number: int) -> Tensor:
    """Logits (B, K, H, W) that say the same as ids and probabilities (B, H, W): what is left, the others share."""
    best = confidence.clamp(1e-6, 1 - 1e-6)
    others = ((1 - best) / max(number - 1, 1)).log()
    logits = others[:, None].repeat(1, number, 1, 1)
    # no less than the others, also where all are equally probable
    return logits.scatter_(1, classes.long()[:, None], torch.maximum(best.log(), others + 1e-3)[:, None])
