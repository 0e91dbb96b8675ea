"""What a method says of images: depth and classes, perhaps averaged over mirrored pictures and sliding windows."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vergence.errors import InputError
from vergence.inference.depth_confidence import depth_confidence as confidence_of
from vergence.methods.view_synthesis import COARSER
from vergence.metrics.depth import flip_postprocess
from vergence.runs.config_sections import EvaluateConfig, check_overlap, parse_size


class Predicts(Protocol):
    """What is asked for maps: a :class:`~vergence.methods.base.Method`, or an exported one."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it predicts."""

    @property
    def corners_aligned(self) -> bool:
        """Whether evaluation resizes small logits itself."""

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        """Maps of images (B, 3, H, W) in [0, 1]."""

    def predict_small(self, images: Tensor) -> dict[str, Tensor]:
        """The same, with logits before they are resized."""


@dataclass(frozen=True)
class Window:
    """A box that slides over the network's input: what it says of classes is averaged where boxes overlap."""

    height: int
    width: int
    overlap: float = 0.5
    """Least share of its side by which neighbouring boxes overlap."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise InputError(f"window {self.width}x{self.height} is impossible; give a positive width and height.")
        check_overlap(self.overlap)

    def __str__(self) -> str:
        return f"windows of {self.width}x{self.height} overlapping by {self.overlap:.0%}"

    def corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """Rows and columns where boxes start, evenly spaced, so that they cover a picture of this size."""
        rows, columns = (
            _starts(whole, part, self.overlap) for whole, part in ((height, self.height), (width, self.width))
        )
        return [(top, left) for top in rows for left in columns]


def window_of(settings: EvaluateConfig, size: str | None = None, overlap: float | None = None) -> Window | None:
    """The window ``WIDTHxHEIGHT`` that was asked for ("none": no window), else that of a run's settings.

    InputError where it is impossible.
    """
    overlap = settings.overlap if overlap is None else overlap
    check_overlap(overlap)
    if size is not None:
        return None if size == "none" else Window(*parse_size(str(size), "window", "none or "), overlap)
    return None if settings.window is None else Window(*parse_size(settings.window, "evaluate.window"), overlap)


def predict_maps(
    method: Predicts,
    images: Tensor,
    flip: bool = False,
    window: Window | None = None,
    small: bool = False,
    depth_confidence: bool = False,
) -> dict[str, Tensor]:
    """What a method predicts, of images (B, 3, H, W) in [0, 1].

    Args:
        flip: average with the prediction of the mirrored images: inverse depth by Godard's blend, classes by the mean
            of their probabilities.
        window: classes from boxes of this size instead of the whole picture, by the mean of their probabilities;
            depth always sees the whole picture.
        small: logits as the network has them, from methods whose evaluation resizes them once
            (``corners_aligned``); not with flip or window, which join full maps.
        depth_confidence: also say how far depth can be trusted; looks at the mirrored images too, but changes no
            other map.

    Returns:
        ``inverse_depth`` (B, 1, H, W) in 1 / training unit, ``logits`` (B, K, H, W) and ``depth_confidence``
        (B, 1, H, W), a probability, each where the method has it.
    """
    if small and method.corners_aligned and not flip and window is None:
        seen = _known(method.predict_small(images))
        return {name: seen[name] for name in seen if name != COARSER}
    plain = _maps(method, images, window)
    coarser = plain.pop(COARSER, None)
    doubted = depth_confidence and "inverse_depth" in plain
    if not flip and not doubted:
        return plain
    turned = _maps(method, images.flip(-1), window if flip else None)
    mirrored = {name: outputs.flip(-1) for name, outputs in turned.items()}
    maps: dict[str, Tensor] = {}
    if doubted:
        maps["depth_confidence"] = confidence_of(plain["inverse_depth"], mirrored["inverse_depth"], coarser)
    if not flip:
        return plain | maps
    if "inverse_depth" in plain:
        maps["inverse_depth"] = flip_postprocess(plain["inverse_depth"], mirrored["inverse_depth"])
    if "logits" in plain:
        both = [outputs["logits"].float().log_softmax(dim=1) for outputs in (plain, mirrored)]
        maps["logits"] = torch.logaddexp(*both) - math.log(2)
    return maps


def _maps(method: Predicts, images: Tensor, window: Window | None) -> dict[str, Tensor]:
    sliding = window is not None and "segmentation" in method.tasks
    prediction = method.predict(images) if not sliding or "depth" in method.tasks else {}
    maps = _known(prediction)
    if sliding:
        assert window is not None
        maps["logits"] = _logits_in_windows(method, images, window)
    return maps


def _known(prediction: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: prediction[name] for name in ("inverse_depth", COARSER, "logits") if name in prediction}


def _logits_in_windows(method: Predicts, images: Tensor, window: Window) -> Tensor:
    """Logarithms (B, K, H, W) of the mean probabilities of all boxes that see a pixel."""
    height, width = images.shape[-2:]
    total, count = images.new_zeros(()), images.new_zeros((height, width))
    for top, left in window.corners(height, width):
        rows, columns = slice(top, top + window.height), slice(left, left + window.width)
        try:
            logits = method.predict(images[..., rows, columns])["logits"]
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{window} do not suit this network ({error}); give multiples of 32.") from error
        if total.ndim == 0:
            total = images.new_zeros((*logits.shape[:2], height, width))
        total[..., rows, columns] += logits.float().softmax(dim=1)
        count[rows, columns] += 1
    return (total / count).clamp_min(torch.finfo(torch.float32).tiny).log()


def _starts(whole: int, part: int, overlap: float) -> list[int]:
    """Where boxes of length ``part`` start along a side of length ``whole``."""
    if part >= whole:
        return [0]
    stride = max(1, math.floor(part * (1 - overlap)))
    steps = math.ceil((whole - part) / stride)
    return [round(step * (whole - part) / steps) for step in range(steps + 1)]


def checked_confidence(wanted: bool, name: str, tasks: tuple[str, ...]) -> bool:
    """Whether confidence of depth is wanted; InputError where depth is not predicted."""
    if wanted and "depth" not in tasks:
        raise InputError(f"{name} predicts no depth, so depth_confidence is not possible; leave it out.")
    return wanted
