"""Where depth errs: by the class of the labels, and at the borders of objects (semhint.md section 2.9)."""

import logging
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import IGNORED_LABEL
from vergence.data.label_space import LabelSpace
from vergence.data.labels import label_mapping, label_space, meaning
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.inputs import has_label
from vergence.metrics.borders import BorderScores, border_scores
from vergence.metrics.depth import class_errors, compare, near_pixels
from vergence.runs.checkpoint import LoadedRun
from vergence.settings.protocols import DepthProtocol

_log = logging.getLogger("vergence")

FOREGROUND = frozenset({
    *("person", "rider", "bicyclist", "motorcyclist", "other rider", "bird", "ground animal", "animal"),
    *("car", "truck", "bus", "train", "motorcycle", "bicycle", "caravan", "trailer", "boat", "other vehicle"),
    *("wheeled slow", "movable", "pole", "utility pole", "pole group", "traffic light", "traffic sign", "tool"),
})  # fmt: skip
"""Classes of objects that stand out from what is behind them, by meaning."""


def regions_space(run: LoadedRun, manifest: Manifest, rows: list[int]) -> LabelSpace | None:
    """The classes by which errors are told apart: the method's, the settings', or the labels' own.

    None where no row has a label, where labels of several spaces lie beside each other and nothing says which one
    counts, or where they share no class with it (said in the log).
    """
    if not any(has_label(manifest, row) for row in rows):
        return None
    named = {manifest[row].label_space for row in rows if has_label(manifest, row)} - {""}
    space = run.method.label_space
    if space is None and run.config.frames.options.label_space:
        space = label_space(run.config.frames.options.label_space)
    if space is None:
        learned = {label_space(name).trained().text() for name in named}
        return label_space(learned.pop()) if len(learned) == 1 else None
    try:
        for name in named:
            label_mapping(name, space.text())
    except InputError as error:
        _log.warning("depth is not told apart by class: %s", error)
        return None
    return space


@dataclass
class RegionScores:
    """One predictor over all images that have labels; pixels of all images count alike."""

    space: LabelSpace
    errors: list[Tensor] = field(default_factory=list)
    """(2, K) of each image: sum of relative errors of the pixels of each class, and their number."""
    sky: list[Tensor] = field(default_factory=list)
    """(2,) of each image: unmeasured pixels of the sky that are predicted near, and all of them."""
    borders: list[BorderScores] = field(default_factory=list)
    """One for each image that has borders."""

    def add(self, inverse_depth: Tensor, truth: Tensor, label: Tensor, protocol: DepthProtocol) -> None:
        """Score one inverse depth map (h, w) by a label (H, W) uint8 and measured depth (H', W')."""
        resized = label
        if label.shape != truth.shape:
            rows, columns = (
                ((torch.arange(count) + 0.5) * have / count).long()
                for count, have in zip(truth.shape, label.shape, strict=True)
            )
            resized = label[rows[:, None], columns]
        compared = compare(inverse_depth, truth, protocol)
        self.errors.append(torch.stack(class_errors(compared, resized, len(self.space))))
        self.sky.append(near_pixels(compared, inverse_depth, self._is(resized, {"sky"}) & (truth <= 0), protocol))
        score = border_scores(inverse_depth, self._is(label, FOREGROUND), label != IGNORED_LABEL)
        if score.pixels:
            self.borders.append(score)

    def _is(self, label: Tensor, meanings: Container[str]) -> Tensor:
        """Bool, where a label is one of the classes that mean this."""
        ids = [number for number, name in enumerate(self.space.classes) if meaning(name) in meanings]
        return torch.isin(label.long(), torch.tensor(ids, dtype=torch.int64))

    def extend(self, other: "RegionScores") -> None:
        """Take in images that were scored elsewhere, behind one's own."""
        self.errors += other.errors
        self.sky += other.sky
        self.borders += other.borders

    def plain(self) -> dict[str, Any]:
        """All numbers as plain values, exactly."""
        errors, sky = ([one.tolist() for one in images] for images in (self.errors, self.sky))
        return {"errors": errors, "sky": sky, "borders": [list(one) for one in self.borders]}

    @classmethod
    def of_plain(cls, space: LabelSpace, values: dict[str, Any]) -> "RegionScores":
        """From what :meth:`plain` gives."""
        errors, sky = ([torch.tensor(one, dtype=torch.float64) for one in values[key]] for key in ("errors", "sky"))
        return cls(space, errors, sky, [BorderScores(*one) for one in values["borders"]])

    def summary(self) -> dict[str, Any]:
        """``border_distance`` in pixels of the labels and ``border_recall``, where there are borders; by class name
        ``class_abs_rel``, NaN without a measured pixel, and ``class_pixels``; ``sky_near``, the share of the unmeasured
        sky at under half the farthest depth, where there is some. Nothing where no image had a label.
        """
        scores: dict[str, Any] = {}
        if pixels := sum(one.pixels for one in self.borders):
            scores["border_distance"] = sum(one.distance * one.pixels for one in self.borders) / pixels
            scores["border_recall"] = sum(one.recall * one.pixels for one in self.borders) / pixels
        if self.errors:
            sums, counts = sum(self.errors[1:], self.errors[0])
            scores["class_abs_rel"] = dict(zip(self.space.classes, (sums / counts).tolist(), strict=True))
            scores["class_pixels"] = dict(zip(self.space.classes, counts.long().tolist(), strict=True))
        if self.sky:
            near, pixels_of_sky = sum(self.sky[1:], self.sky[0])
            if pixels_of_sky:
                scores["sky_near"] = float(near / pixels_of_sky)
        return scores


def class_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For CSV: one row for each predictor and class that has measured pixels."""
    return [
        {"name": row["name"], "class": name, "abs_rel": error, "pixels": row["class_pixels"][name]}
        for row in rows
        for name, error in row.get("class_abs_rel", {}).items()
        if row["class_pixels"][name]
    ]
