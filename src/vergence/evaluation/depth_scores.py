"""Errors of predictors, image by image: their means, and CSV rows; the protocol they were made under."""

import csv
import dataclasses
import io
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.errors import InputError
from vergence.metrics.depth import DEPTH_METRICS, score_inverse_depth
from vergence.settings.protocols import PROTOCOLS, DepthProtocol


@dataclass
class Scores:
    """Errors of one predictor, image by image."""

    name: str
    note: str = ""
    images: list[str] = field(default_factory=list)
    errors: list[list[float]] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)

    def add(self, image: str, inverse_depth: Tensor, truth: NDArray[np.float32], protocol: DepthProtocol) -> None:
        """Score one inverse depth map (h, w) against truth (H, W); images without a valid pixel are left out."""
        score = score_inverse_depth(inverse_depth, torch.from_numpy(truth).to(inverse_depth.device), protocol)
        if int(score.pixels) == 0:
            return
        self.images.append(image)
        self.errors.append([float(value) for value in score.errors])
        self.ratios.append(float(score.ratio))
        self.pixels.append(int(score.pixels))

    def extend(self, other: "Scores") -> None:
        """Take in images that were scored elsewhere, behind one's own."""
        self.images += other.images
        self.errors += other.errors
        self.ratios += other.ratios
        self.pixels += other.pixels

    def summary(self) -> dict[str, Any]:
        """Means over images, the median of the ratios, and their standard deviation over that median."""
        means = np.mean(np.array(self.errors, dtype=np.float64), axis=0)
        ratios = np.array(self.ratios, dtype=np.float64)
        median = float(np.median(ratios))
        return {
            "name": self.name,
            **dict(zip(DEPTH_METRICS, means.tolist(), strict=True)),
            "scale_median": median,
            "scale_std": float(np.std(ratios / median)) if median else math.nan,
            "images": len(self.images),
            "note": self.note,
        }


def choose_protocol(protocol: str | DepthProtocol, scale: str | float | None = None) -> DepthProtocol:
    """A protocol by name, perhaps with another scale: "median", "none", or a factor; InputError if unknown."""
    if isinstance(protocol, str):
        if protocol not in PROTOCOLS:
            raise InputError(f"protocol {protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}.")
        protocol = PROTOCOLS[protocol]
    if scale is None:
        return protocol
    chosen: Any = scale
    if isinstance(scale, str) and scale not in ("median", "none"):
        try:
            chosen = float(scale)
        except ValueError:
            raise InputError(f"scale {scale!r} is unknown; choose median, none or a positive factor.") from None
    if not isinstance(chosen, str) and not (math.isfinite(chosen) and chosen > 0):
        raise InputError(f"scale {scale!r} is impossible; choose median, none or a positive factor.")
    return dataclasses.replace(protocol, scale=chosen)


def image_rows(predictors: list[Scores]) -> list[dict[str, Any]]:
    """One row for each predictor and image."""
    return [
        {"name": scores.name, "image": image, **dict(zip(DEPTH_METRICS, errors, strict=True)), "ratio": ratio,
         "pixels": pixels}
        for scores in predictors
        for image, errors, ratio, pixels in zip(scores.images, scores.errors, scores.ratios, scores.pixels, strict=True)
    ]  # fmt: skip


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Rows that share their keys as CSV; empty without any."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def finite(value: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
