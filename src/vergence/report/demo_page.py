"""The demo's page: depth from video, the frames that were chosen, and what few labels make of it, all in one file."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vergence
from vergence.data.images import open_image
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.data.structured import read_json
from vergence.evaluation.evaluate import open_data
from vergence.evaluation.segmentation import best_class
from vergence.inference.inputs import (
    evenly_spaced,
    ground_truth_label,
    has_label,
    resize_label,
    working_image,
)
from vergence.inference.networks import RunNetwork
from vergence.report.evaluation_tables import ClassBar, Row, Table, Text, percent, tables
from vergence.report.page_file import save_page
from vergence.report.pictures import Panel, class_picture, photograph, wrong_picture
from vergence.report.samples import collect_samples
from vergence.report.segmentation_samples import swatches
from vergence.report.training_samples import training_panels
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import RunFolder

_SHOWN = 4
_THUMBNAIL = 160  # columns
_NAMES = {"chosen": "chosen frames, with depth", "random": "random frames, labels alone"}
_METRICS = {"miou": "mIoU %", "mean_accuracy": "mean accuracy %", "pixel_accuracy": "pixel accuracy %"}


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    depth: Path
    """Run folder of depth."""
    chosen: Path
    """Run folder of Three Ways on chosen frames."""
    random: Path
    """Run folder of labels alone on random frames."""
    training: Manifest
    """Frames that could be labelled."""
    chosen_rows: Sequence[int]
    """Those that were, in the order of choice."""
    random_rows: Sequence[int]


def write_demo_page(demo: Demo, out: Path) -> tuple[Path, str]:
    """Write the page of three evaluated runs; returns it and its verdict on segmentation."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    depth = collect_samples(demo.depth, images=_SHOWN)
    parts = {"chosen": _segmentation(demo.chosen), "random": _segmentation(demo.random)}
    said = compared(parts["chosen"], parts["random"], len(demo.chosen_rows))
    runs = {"chosen": load_run(demo.chosen), "random": load_run(demo.random)}
    space = runs["chosen"].method.label_space
    assert space is not None
    seen: set[int] = set()
    panels = _panels(runs, space, seen)
    mixing, mixing_note = training_panels(runs["chosen"], seen)
    page = environment.get_template("demo.html.j2").render(
        labels=len(demo.chosen_rows),
        depth_tables=[table for evaluation in _evaluations(demo.depth) for table in tables(evaluation)][:1],
        strip=depth.strip,
        strip_note=depth.strip_note,
        thumbnails={
            name: _thumbnails(demo.training, rows, space)
            for name, rows in (("chosen", demo.chosen_rows), ("random", demo.random_rows))
        },
        table=_table(parts),
        verdict=said,
        bars=_bars(parts, space),
        panels=panels,
        mixing=mixing,
        mixing_note=mixing_note,
        legend=swatches(space, seen),
        names=_NAMES,
        runs={"depth": demo.depth.name, "chosen": demo.chosen.name, "random": demo.random.name},
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )
    return save_page(out, page), said


def compared(chosen: Mapping[str, Any], other: Mapping[str, Any], labels: int) -> str:
    """Both segmentation runs in one sentence: what the difference is, whichever sign it has."""
    ours, theirs = (_trained(part)["miou"] for part in (chosen, other))
    blind = next((row["miou"] for row in chosen["rows"] if row["name"] == "input_free"), None)
    points = 100 * (ours - theirs)
    words = f"{abs(points):.1f} points {'above' if points > 0 else 'BELOW'}"
    floor = "" if blind is None else f" Never looking at the picture gives {percent(blind)} %."
    return (
        f"mIoU with {labels} labelled frames: {percent(ours)} % on chosen frames with depth, {words} the "
        f"{percent(theirs)} % of {labels} random frames and labels alone.{floor} One run each: with another seed the "
        "difference is 3 to 4 points more or less (docs/results.md)."
    )


def _evaluations(run: Path) -> list[dict[str, Any]]:
    files = sorted(RunFolder(run).evaluations(), key=lambda file: file.stat().st_mtime)
    return [read_json(file, finite=False) for file in files[-1:]]


def _segmentation(run: Path) -> Mapping[str, Any]:
    """The newest evaluation's part on classes."""
    part: Mapping[str, Any] = _evaluations(run)[-1]["segmentation"]
    return part


def _trained(part: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(row for row in part["rows"] if row["name"] == "trained")
    return found


def _table(parts: Mapping[str, Mapping[str, Any]]) -> Table:
    """Both runs, and what neither may fall behind."""
    listed = [(_NAMES[name], _trained(part), "trained" if name == "chosen" else "") for name, part in parts.items()]
    notes = {"input_free": "never looks at the picture", "untrained": "the network before its first step"}
    listed += [(notes[row["name"]], row, "") for row in parts["chosen"]["rows"] if row["name"] in notes]
    rows = []
    for name, row, kind in listed:
        best = {metric: max(other[metric] for _, other, _ in listed) for metric in _METRICS}
        cells = [Text(percent(row[metric]), "best" if row[metric] == best[metric] else "") for metric in _METRICS]
        rows.append(Row(kind, [Text(name), *cells]))
    return Table(("", *_METRICS.values()), rows, f"Protocol: {parts['chosen']['stamp']}")


def _bars(parts: Mapping[str, Mapping[str, Any]], space: LabelSpace) -> list[ClassBar]:
    """IoU of every class that occurs."""
    ours, theirs = (_trained(part)["class_iou"] for part in (parts["chosen"], parts["random"]))
    found = []
    for swatch in swatches(space):
        values = [iou.get(swatch.name) for iou in (ours, theirs)]
        if any(value is not None and value == value for value in values):
            shares = [None if value is None or value != value else 100 * value for value in values]
            found.append(ClassBar(swatch.name, swatch.colour, shares[0], shares[1]))
    return found


def _thumbnails(manifest: Manifest, rows: Sequence[int], space: LabelSpace) -> dict[str, Any]:
    """Small pictures of frames, and how many classes their labels show between them."""
    pictures, classes = [], set[int]()
    for place, index in enumerate(rows):
        image = np.asarray(_open(manifest.path(index)))
        row = manifest[index]
        pictures.append(photograph(f"{place + 1}. {row.sequence} · {row.position}", image))
        label = ground_truth_label(manifest, index, space)
        classes |= {int(number) for number in np.unique(label) if number < len(space)}
    streets = len({manifest[index].sequence for index in rows})
    return {"pictures": pictures, "note": f"{streets} streets; their labels show {len(classes)} classes."}


def _open(path: Path) -> Any:
    image = open_image(path)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return image


@torch.no_grad()
def _panels(runs: Mapping[str, LoadedRun], space: LabelSpace, seen: set[int]) -> list[Panel]:
    """Frames that neither run has seen: input, labels, both predictions, both errors."""
    manifest = open_data(runs["chosen"], None, None)
    labelled = [index for index in range(len(manifest)) if has_label(manifest, index)]
    panels = []
    for index in evenly_spaced(labelled, _SHOWN):
        image = working_image(manifest, index, runs["chosen"].config.frames.options)
        size = (image.shape[-2], image.shape[-1])
        shown = image.permute(1, 2, 0).numpy()
        truth = resize_label(ground_truth_label(manifest, index, space), *size)
        seen |= {int(number) for number in np.unique(truth) if number < len(space)}
        above, below = [photograph("input", shown)], [class_picture("labels", truth, space)]
        for name in ("random", "chosen"):
            logits = RunNetwork(runs[name]).maps([image])["logits"][0]
            predicted = best_class(logits, size).cpu().numpy()
            seen |= {int(number) for number in np.unique(predicted)}
            above.append(class_picture(_NAMES[name], predicted, space))
            below.append(wrong_picture("its errors", shown, predicted != truth, truth < len(space)))
        row = manifest[index]
        panels.append(Panel(f"{row.sequence} · {row.position}", [*above, *below], []))
    return panels
