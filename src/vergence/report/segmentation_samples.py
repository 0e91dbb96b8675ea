"""Frames for the report of a segmentation run: truth, prediction, errors."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.evaluation.segmentation import best_class
from vergence.inference.inputs import (
    evenly_spaced,
    ground_truth_label,
    has_label,
    resize_label,
    working_image,
)
from vergence.inference.network_maps import window_of
from vergence.inference.networks import RunNetwork
from vergence.inference.prediction import best_classes
from vergence.report.pictures import (
    Panel,
    Picture,
    class_ids,
    class_picture,
    photograph,
    wrong_picture,
)
from vergence.report.probes import class_probe, panel_data, share_probe
from vergence.runs.checkpoint import LoadedRun


class Swatch(NamedTuple):
    """A class of the legend: its name and its colour as CSS has it."""

    name: str
    colour: str


@dataclass
class ClassSamples:
    """Pictures of classes, and the reasons for those that are missing."""

    legend: list[Swatch] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    note: str = ""


def swatches(space: LabelSpace, seen: set[int] | None = None) -> list[Swatch]:
    """Classes with their colours; only those of the ids ``seen`` where they are given."""
    return [
        Swatch(name, "#{:02x}{:02x}{:02x}".format(*colour))
        for number, (name, colour) in enumerate(zip(space.classes, space.colours, strict=True))
        if seen is None or number in seen
    ]


def collect_classes(run: LoadedRun, manifest: Manifest | None, images: int, seen: set[int]) -> ClassSamples:
    """Pictures of a few evenly spaced frames (none without a manifest); ids of their classes are added to ``seen``."""
    space, samples = run.method.label_space, ClassSamples()
    assert space is not None
    if manifest is not None:
        labelled = [index for index in range(len(manifest)) if has_label(manifest, index)]
        chosen = evenly_spaced(labelled or range(len(manifest)), images)
        for index in chosen:
            samples.panels.append(_panel(run, manifest, index, space, seen))
        samples.note = (
            f"{len(chosen)} of {len(manifest)} frames of {Path(manifest.name).name or 'the data'}, evenly spaced"
            f"{', the worst first' if labelled else ''}."
        )
        samples.panels.sort(key=lambda one: -one.error if math.isfinite(one.error) else math.inf)
    return samples


def _panel(run: LoadedRun, manifest: Manifest, index: int, space: LabelSpace, seen: set[int]) -> Panel:
    """Input, labels, prediction, errors, at the network's size."""
    image = working_image(manifest, index, run.config.frames.options)
    size = (image.shape[-2], image.shape[-1])
    logits = RunNetwork(run, window=window_of(run.config.evaluate)).maps([image])["logits"][0]
    predicted = best_class(logits, size).cpu().numpy()
    sure = best_classes(logits, size)[1].cpu().numpy()
    probes, error = [class_probe("prediction", predicted, space.classes), share_probe("confidence", sure)], math.nan
    seen |= class_ids(predicted, space)
    pixels = image.permute(1, 2, 0).numpy()
    pictures = [photograph("input", pixels)]
    if has_label(manifest, index):
        truth = resize_label(ground_truth_label(manifest, index, space), *size)
        seen |= class_ids(truth, space)
        pictures.append(class_picture("labels", truth, space, "black: not labelled" if (truth == 255).any() else ""))
        probes.insert(1, class_probe("label", truth, space.classes))
        known = truth < len(space)
        error = float((predicted != truth)[known].mean()) if known.any() else math.nan
        errors: list[Picture] = [wrong_picture("errors", pixels, predicted != truth, known)]
    else:
        errors = []
    pictures += [class_picture("prediction", predicted, space), *errors]
    row = manifest[index]
    name = f"{row.sequence} · {row.position}" if row.sequence else Path(row.image).name
    return Panel(name, pictures, [], data=panel_data(probes, None), error=error)
