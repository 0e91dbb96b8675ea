"""The demo's page: what few labels are worth where video carries them, the depth and the frames behind it; one file."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vergence
from vergence.data.buckets.addresses import named
from vergence.data.imaging.images import open_image, read_image
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.data.masks.pseudo_label_files import read_confidence
from vergence.data.measured.depth_files import ColourRange
from vergence.data.structured import read_json
from vergence.evaluation.evaluate import open_data
from vergence.evaluation.segmentation import best_class
from vergence.inference.class_files import painted
from vergence.inference.inputs import (
    evenly_spaced,
    ground_truth_label,
    has_label,
    resize_label,
    working_image,
)
from vergence.inference.networks import RunNetwork
from vergence.propagation.propagate import RECORD
from vergence.report.evaluation_tables import ClassBar, Row, Table, Text, percent, tables
from vergence.report.page_file import save_page
from vergence.report.pictures import (
    Panel,
    Picture,
    class_ids,
    class_picture,
    colour_bar,
    colour_picture,
    photograph,
    wrong_picture,
)
from vergence.report.samples import collect_samples
from vergence.report.segmentation_samples import swatches
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import RunFolder

_SHOWN = 4
_QUARTER = 0.25
_THUMBNAIL = 160  # columns
_NAMES = {"chosen": "chosen by reach, labels carried", "random": "at random, labels alone"}
_METRICS = {"miou": "mIoU %", "mean_accuracy": "mean accuracy %", "pixel_accuracy": "pixel accuracy %"}
SPREAD = (
    "With ten labels and all else as it comes, over ten draws of the random frames, the gain was +6.7 points of mIoU "
    "(95 % interval +5.1 to +8.4, worst +2.6) and +6.9 points of pixels right (+4.3 to +9.4, worst +1.9)."
)
"""What the study of the demo found over its seeds (``benchmarks/studies/demo.py``)."""
_SHADES = ColourRange(0.5, 1.0)


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    depth: Path
    """Run folder of depth."""
    chosen: Path
    """Run folder of a head on chosen frames and what their labels reach."""
    random: Path
    """Run folder of the same head on random frames alone."""
    carried: Path
    """Manifest with the carried labels."""
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
    outcome = compared(parts["chosen"], parts["random"], len(demo.chosen_rows))
    runs = {"chosen": load_run(demo.chosen), "random": load_run(demo.random)}
    space = runs["chosen"].method.label_space
    assert space is not None
    seen: set[int] = set()
    carried = Manifest.read(demo.carried)
    record = read_json(demo.carried.with_suffix("") / RECORD)
    page = environment.get_template("demo.html.j2").render(
        labels=len(demo.chosen_rows),
        verdict=outcome,
        spread=SPREAD,
        table=_table(parts),
        bars=_bars(parts, space),
        panels=_panels(runs, space, seen),
        thumbnails={
            name: _thumbnails(demo.training, rows, space)
            for name, rows in (("chosen", demo.chosen_rows), ("random", demo.random_rows))
        },
        record=record,
        carried=_carried(demo, carried, space, seen, record),
        sure=[colour_bar("probability that the carried label is right", _SHADES, "viridis")],
        depth_tables=[table for evaluation in _evaluations(demo.depth) for table in tables(evaluation)][:1],
        strip=depth.strip,
        strip_note=depth.strip_note,
        legend=swatches(space, seen),
        names=_NAMES,
        runs={"depth": demo.depth.name, "chosen": demo.chosen.name, "random": demo.random.name},
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )
    return save_page(out, page), outcome


def compared(chosen: Mapping[str, Any], other: Mapping[str, Any], labels: int) -> str:
    """Both segmentation runs in one sentence: what the difference is, whichever sign it has."""
    ours, theirs = _trained(chosen), _trained(other)
    blind = next((row["miou"] for row in chosen["rows"] if row["name"] == "input_free"), None)

    def words(metric: str) -> str:
        points = 100 * (ours[metric] - theirs[metric])
        return f"{abs(points):.1f} points {'above' if points > 0 else 'BELOW'}"

    floor = "" if blind is None else f" Never looking at the picture gives {percent(blind)} % mIoU."
    return (
        f"{labels} labels, chosen by reach and carried through the video, give {percent(ours['miou'])} % mIoU, "
        f"{words('miou')} the {percent(theirs['miou'])} % of {labels} random frames and labels alone, and "
        f"{percent(ours['pixel_accuracy'])} % of the pixels right, {words('pixel_accuracy')} their "
        f"{percent(theirs['pixel_accuracy'])} %.{floor}"
    )


def _evaluations(run: Path) -> list[dict[str, Any]]:
    files = sorted(RunFolder(run).evaluations(), key=lambda file: file.stat().st_mtime)
    return [read_json(file, finite=False) for file in files[-1:]]


def _segmentation(run: Path) -> Mapping[str, Any]:
    """The newest evaluation's part on classes."""
    part: Mapping[str, Any] = _evaluations(run)[-1]["segmentation"]
    return part


def _trained(part: Mapping[str, Any]) -> Mapping[str, Any]:
    trained: Mapping[str, Any] = next(row for row in part["rows"] if row["name"] == "trained")
    return trained


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
    bars = []
    for swatch in swatches(space):
        values = [iou.get(swatch.name) for iou in (ours, theirs)]
        if any(value is not None and value == value for value in values):
            shares = [None if value is None or value != value else 100 * value for value in values]
            bars.append(ClassBar(swatch.name, swatch.colour, shares[0], shares[1]))
    return bars


def _thumbnails(manifest: Manifest, rows: Sequence[int], space: LabelSpace) -> dict[str, Any]:
    """Small pictures of frames, and how many classes their labels show between them."""
    pictures, classes = [], set[int]()
    for order, index in enumerate(rows):
        image = np.asarray(_open(manifest.path(index)))
        row = manifest[index]
        pictures.append(photograph(f"{order + 1}. {row.sequence} · {row.position}", image))
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
        pixels = image.permute(1, 2, 0).numpy()
        truth = resize_label(ground_truth_label(manifest, index, space), *size)
        seen |= class_ids(truth, space)
        pictures = [photograph("input", pixels), class_picture("labels", truth, space)]
        for name in ("random", "chosen"):
            logits = RunNetwork(runs[name]).maps([image])["logits"][0]
            predicted = best_class(logits, size).cpu().numpy()
            seen |= class_ids(predicted, space)
            pictures.append(class_picture(_NAMES[name], predicted, space))
            pictures.append(wrong_picture("its errors", pixels, predicted != truth, truth < len(space)))
        row = manifest[index]
        panels.append(Panel(f"{row.sequence} · {row.position}", pictures, []))
    return panels


def _carried(demo: Demo, data: Manifest, space: LabelSpace, seen: set[int], record: Mapping[str, Any]) -> list[Panel]:
    """Some of the chosen frames with their labels, and the frames farthest from them that got much of theirs."""
    rows = {(row.sequence, row.position): index for index, row in enumerate(data)}
    coverage = {frame["image"]: frame["coverage"] for segment in record["segments"] for frame in segment["frames"]}
    panels = []
    for chosen in demo.chosen_rows[:_SHOWN]:
        key = demo.training[chosen]
        reached = carried_from(data, rows[key.sequence, key.position], float(record["seconds"]))
        well = [frame for frame in reached if coverage[named(data[frame[1]].image)] >= _QUARTER] or reached
        pictures = [_painted(data, rows[key.sequence, key.position], space, seen, "by hand")]
        for position, index in dict.fromkeys([*well[:1], *well[-1:]]):
            pictures.append(_painted(data, index, space, seen, f"{(position - key.position) / key.fps:+.1f} s"))
            sure = read_confidence(data.path(index, "label_confidence"), (key.height, key.width)) / 255
            confidence = np.where(sure > 0, sure, np.nan)
            pictures.append(colour_picture("how sure", confidence, _SHADES, "viridis"))
        panels.append(Panel(f"{key.sequence}: to {len(reached)} frames", pictures, []))
    return panels


def carried_from(data: Manifest, labelled: int, seconds: float) -> list[tuple[int, int]]:
    """Positions and rows of the frames that a label by hand may have reached, in order.

    Args:
        data: frames with carried labels.
        labelled: the row of the frame that was labelled.
        seconds: how far labels were carried each way; labels by hand of the same video end it, too.
    """
    own = data[labelled]
    video = sorted((row.position, index) for index, row in enumerate(data) if row.sequence == own.sequence)
    hands = [position for position, index in video if data[index].label and data[index].label_origin != "carried"]
    first = max((position for position in hands if position < own.position), default=-math.inf)
    last = min((position for position in hands if position > own.position), default=math.inf)
    return [
        (position, index)
        for position, index in video
        if data[index].label_origin == "carried"
        and first < position < last
        and abs(position - own.position) <= seconds * own.fps
    ]


def _painted(data: Manifest, index: int, space: LabelSpace, seen: set[int], note: str) -> Picture:
    """A frame under its label."""
    label = ground_truth_label(data, index, space)
    seen |= class_ids(label, space)
    image = read_image(data.path(index))
    return photograph(f"{data[index].position}", painted(image, resize_label(label, *image.shape[:2]), space), note)
