"""Pictures of a flywheel: the same held-back frames in every round, and the frames that were labelled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vergence.data.imaging.images import open_frame
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import ColourRange, colour_range
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.segmentation import best_class
from vergence.flywheel.folder import Round
from vergence.flywheel.gate import apart
from vergence.flywheel.settings import FlywheelConfig
from vergence.inference.inputs import (
    evenly_spaced,
    ground_truth,
    ground_truth_label,
    has_label,
    has_truth,
    resize_label,
    working_image,
)
from vergence.inference.network_maps import window_of
from vergence.inference.networks import RunNetwork
from vergence.report.pictures import (
    ERROR_LIMITS,
    ERROR_MAP,
    ColourBar,
    Picture,
    absent,
    class_ids,
    class_picture,
    colour_bar,
    colour_picture,
    depth_bar,
    photograph,
    wrong_picture,
)
from vergence.report.samples import inverse_truth, relative_error, scaled
from vergence.report.segmentation_samples import Swatch, swatches
from vergence.runs.checkpoint import LoadedRun, load_run

_THUMBNAIL = 160
_THUMBNAILS = 20


class FramePanel(NamedTuple):
    """One frame: what is known of it, and what each round makes of it."""

    name: str
    truth: list[Picture]
    rounds: list[tuple[int, list[Picture]]]
    bars: list[ColourBar]


def chosen_pictures(rounds: Sequence[Round], data: Manifest) -> list[dict[str, Any]]:
    """Small pictures of the frames that each round has chosen."""
    index_of = {row.image: index for index, row in enumerate(data)}
    panels = []
    for one in rounds:
        rows = [index_of[image] for image in one.new() if image in index_of]
        pictures = []
        for index in rows[:_THUMBNAILS]:
            image = open_frame(data, index)
            image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
            row = data[index]
            pictures.append(photograph(f"{row.sequence} · {row.position}", np.asarray(image)))
        if rows:
            panels.append({"round": one.number, "count": len(rows), "shown": len(pictures), "pictures": pictures})
    return panels


@torch.no_grad()
def frame_panels(
    rounds: Sequence[Round], config: FlywheelConfig, data: Manifest, images: int
) -> tuple[list[FramePanel], list[Swatch], str]:
    """Panels of a few held-back frames, the classes in them, and where the frames come from."""
    manifest = apart(config, data).scored
    known = [row for row in range(len(manifest)) if has_truth(manifest, row) or has_label(manifest, row)]
    chosen = evenly_spaced(known or list(range(len(manifest))), images) if images else []
    drawing = _Drawing(manifest, chosen)
    for one in rounds:
        for stage in ("depth", "segmentation"):
            if one.scores().get(stage):  # finished
                drawing.look(one.number, stage, load_run(one.folder / stage))
    note = f"{len(chosen)} of {len(manifest)} held-back frames, evenly spaced; the same in every round."
    return drawing.panels(), drawing.legend(), note


class _Drawing:
    """Pictures by frame, round and task; runs are looked at one after another."""

    def __init__(self, manifest: Manifest, chosen: Sequence[int]) -> None:
        self.manifest, self.chosen = manifest, chosen
        self.images: dict[int, np.ndarray] = {}
        self.limits: dict[int, ColourRange] = {}
        self.drawn: dict[tuple[int, int, str], list[Picture]] = {}
        self.space: LabelSpace | None = None
        self.seen: set[int] = set()
        self.numbers: dict[int, None] = {}

    def look(self, number: int, stage: str, run: LoadedRun) -> None:
        """Draw what a run says of all frames."""
        self.numbers[number] = None
        network = RunNetwork(run, window=None if stage == "depth" else window_of(run.config.evaluate))
        for index in self.chosen:
            image = working_image(self.manifest, index, network.options)
            self.images.setdefault(index, image.permute(1, 2, 0).numpy())
            draw = self._depth if stage == "depth" else self._classes
            self.drawn[index, number, stage] = draw(index, run, image, network.maps([image]))

    def _depth(self, index: int, run: LoadedRun, image: Tensor, maps: dict[str, Tensor]) -> list[Picture]:
        inverse = maps["inverse_depth"][0, 0].float().cpu()
        truth = ground_truth(self.manifest, index) if has_truth(self.manifest, index) else None
        values = scaled(inverse, truth, choose_protocol(run.config.evaluate.protocol))
        known = values if truth is None else inverse_truth(truth)
        limits = self.limits.setdefault(index, colour_range(known))
        pictures = [colour_picture("depth", values, limits)]
        if truth is None:
            return [*pictures, absent("its error", "no measured depth", values.shape)]
        error = relative_error(values, truth)
        note = f"abs_rel {np.nanmean(error):.3f}" if np.isfinite(error).any() else ""
        return [*pictures, colour_picture("its relative error", error, ERROR_LIMITS, ERROR_MAP, note)]

    def _classes(self, index: int, run: LoadedRun, image: Tensor, maps: dict[str, Tensor]) -> list[Picture]:
        space = run.method.label_space
        assert space is not None
        self.space = space
        size = (image.shape[-2], image.shape[-1])
        predicted = best_class(maps["logits"][0], size).cpu().numpy()
        self.seen |= class_ids(predicted, space)
        pictures = [class_picture("classes", predicted, space)]
        if not has_label(self.manifest, index):
            return [*pictures, absent("their errors", "no label", size)]
        truth = resize_label(ground_truth_label(self.manifest, index, space), *size)
        return [
            *pictures,
            wrong_picture("their errors", image.permute(1, 2, 0).numpy(), predicted != truth, truth < len(space)),
        ]

    def panels(self) -> list[FramePanel]:
        """All frames, in order."""
        return [self._panel(index) for index in self.chosen if index in self.images]

    def _panel(self, index: int) -> FramePanel:
        row, image = self.manifest[index], self.images[index]
        size = (image.shape[0], image.shape[1])
        measured = has_truth(self.manifest, index)
        bars: list[ColourBar] = []
        truth = [photograph("input", image)]
        if index in self.limits:
            limits = self.limits[index]
            bars.append(depth_bar(limits, measured))
            if measured:
                values = inverse_truth(ground_truth(self.manifest, index))
                truth.append(colour_picture("measured depth", values, limits))
                bars.append(colour_bar("relative error of depth", ERROR_LIMITS, ERROR_MAP, ("0", "25 %", "≥ 50 %")))
        if self.space is not None and has_label(self.manifest, index):
            label = resize_label(ground_truth_label(self.manifest, index, self.space), *size)
            self.seen |= class_ids(label, self.space)
            truth.append(class_picture("labels", label, self.space))
        rounds = []
        for number in self.numbers:
            pictures = [
                picture
                for stage in ("depth", "segmentation")
                for picture in self.drawn.get(
                    (index, number, stage), [absent(name, "not there yet", size) for name in ("", "")]
                )
            ]
            rounds.append((number, pictures))
        name = f"{row.sequence} · {row.position}" if row.sequence else Path(row.image).name
        return FramePanel(name, truth, rounds, bars)

    def legend(self) -> list[Swatch]:
        """Classes that occur."""
        return [] if self.space is None else swatches(self.space, self.seen)
