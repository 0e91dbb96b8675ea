"""Several runs on one page: what differs between them, their scores and curves, and the same frames seen by each."""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import vergence
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import colour_range
from vergence.errors import InputError
from vergence.evaluation.depth import in_units
from vergence.evaluation.depth_scores import choose_protocol
from vergence.evaluation.evaluate import open_data
from vergence.evaluation.segmentation import best_class
from vergence.inference.inputs import (
    ground_truth,
    ground_truth_label,
    has_label,
    has_truth,
    resize_label,
    working_image,
)
from vergence.inference.network_maps import window_of
from vergence.inference.networks import RunNetwork
from vergence.metrics.depth import score_inverse_depth
from vergence.report.curves import Chart, chart, curves
from vergence.report.evaluation_tables import Table, tables
from vergence.report.page import facts, run_files
from vergence.report.page_file import check_page, save_page
from vergence.report.pictures import Panel, Picture, class_picture, colour_picture, depth_bar, for_display, photograph
from vergence.report.probes import Probe, class_probe, depth_probe, panel_data
from vergence.report.samples import choose_frames, inverse_truth, scaled
from vergence.report.segmentation_samples import Swatch, swatches
from vergence.report.stored_run import read_evaluations, read_records, stored_settings
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import RunFolder
from vergence.settings.protocols import DepthProtocol


@dataclass
class Compared:
    """Pictures of the same frames, and the reason where there are none."""

    panels: list[Panel]
    legend: list[Swatch]
    note: str


def write_comparison(
    runs: Sequence[Path | str], out: Path | str | None = None, data: Any = None, images: int = 4
) -> Path:
    """Write the page of several runs.

    Args:
        runs: two run folders or more, the first is the one that the others are compared with.
        out: HTML file; default ``comparison.html`` in the first run.
        data: manifest, folder or video to take pictures from; default the first run's evaluation data.
        images: how many frames to show; 0 for none.

    Raises:
        InputError: a folder is no run, the same one twice, or the page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    folders = [Path(run) for run in runs]
    page_file = Path(out) if out is not None else folders[0] / "comparison.html"
    check_page(page_file)
    for folder in folders:
        run_files(folder)
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("report compares different runs; the same folder is named twice.")
    names = _names(folders)
    environment = Environment(
        loader=PackageLoader("vergence", "report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    seen = _pictures(dict(zip(names, folders, strict=True)), data, images)
    page = environment.get_template("comparison.html.j2").render(
        title=f"{len(folders)} runs compared",
        names=names,
        differing=_differing(dict(zip(names, folders, strict=True))),
        evaluations=list(_evaluations(dict(zip(names, folders, strict=True)))),
        unscored=[name for name, folder in zip(names, folders, strict=True) if not read_evaluations(folder)],
        charts=_charts(dict(zip(names, folders, strict=True))),
        panels=seen.panels,
        legend_of_classes=seen.legend,
        pictures_note=seen.note,
        footer=f"Made by vergence {vergence.__version__} on {time.strftime('%Y-%m-%d %H:%M')}.",
    )
    return save_page(page_file, page)


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names, with as many of their parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder.resolve()) for folder in folders]


def _differing(runs: Mapping[str, Path]) -> list[tuple[str, list[str]]]:
    """What was run, of which not all say the same: name, and the value of each run."""
    listed = [dict(facts(stored_settings(folder), read_records(RunFolder(folder).log))) for folder in runs.values()]
    keys = dict.fromkeys(key for one in listed for key in one)
    rows = [(key, [one.get(key, "–") for one in listed]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _evaluations(runs: Mapping[str, Path]) -> Iterator[Table]:
    """One table for each protocol and data, a row for each run that was scored so."""
    depth: dict[str, list[dict[str, Any]]] = {}
    classes: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for name, folder in runs.items():
        for one in read_evaluations(folder):
            stamp = _shared(str(one.get("stamp") or f"{one.get('protocol')} · {one.get('data')}"))
            depth.setdefault(stamp, []).extend(_trained(one["rows"], name))
            if part := one.get("segmentation"):
                stamp = _shared(str(part.get("stamp")))
                classes.setdefault(stamp, (part, []))[1].extend(_trained(part["rows"], name))
    for stamp, (part, rows) in classes.items():
        shown = [{key: value for key, value in row.items() if key != "class_iou"} | {"class_iou": {}} for row in rows]
        yield from tables({"rows": [], "segmentation": {**part, "stamp": stamp, "rows": shown}})
    for stamp, rows in depth.items():
        yield from tables({"rows": rows, "stamp": stamp})


def _shared(stamp: str) -> str:
    """What a stamp says of the scoring; what it says of the run stands under what differs."""
    return re.sub(r" · (step \d+|trained with [^·]*[^·\s])", "", stamp)


def _trained(rows: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{**row, "name": name} for row in rows if row.get("name") == "trained"]


def _charts(runs: Mapping[str, Path]) -> list[Chart]:
    """A chart for each number that two runs or more have logged, evaluations first, a line a run.

    The score that chooses the best checkpoint is one of the others.
    """
    drawn = []
    records = {name: read_records(RunFolder(folder).log) for name, folder in runs.items()}
    for kind, title in (("evaluate", "Evaluation: "), ("train", "")):
        lines: dict[str, dict[str, Any]] = {}
        for name, rows in records.items():
            for key, curve in curves(rows, kind).items():
                lines.setdefault(key, {})[name] = curve
        for key, by_run in lines.items():
            if len(by_run) > 1 and key not in ("seconds", "time", "score") and not key.startswith("lr/"):
                drawn.append(chart(f"{title}{key.lstrip('_')}", by_run, smooth=kind == "train"))
    return drawn


# --- pictures


@torch.no_grad()
def _pictures(runs: Mapping[str, Path], data: Any, images: int) -> Compared:
    if images <= 0:
        return Compared([], [], "No pictures were asked for.")
    try:
        loaded = {name: load_run(folder) for name, folder in runs.items()}
        first = next(iter(loaded.values()))
        manifest = open_data(first, data, None, absent="all")
        chosen = choose_frames(manifest, first.config.frames.options.offsets, images)
        panels = [_panel(loaded, manifest, index) for index in chosen]
    except (InputError, OSError, RuntimeError) as error:
        return Compared([], [], f"No pictures: {error}")
    panels.sort(key=lambda one: -one.error if math.isfinite(one.error) else math.inf)
    space = next((run.method.label_space for run in loaded.values() if run.method.label_space is not None), None)
    note = f"{len(chosen)} of {len(manifest)} frames, evenly spaced; those on which the runs differ most come first."
    return Compared(panels, [] if space is None else swatches(space), note)


def _panel(runs: Mapping[str, LoadedRun], manifest: Manifest, index: int) -> Panel:
    """A frame: what is true of it, and what each run says."""
    row = manifest[index]
    first = next(iter(runs.values()))
    image = working_image(manifest, index, first.config.frames.options)
    truth = ground_truth(manifest, index) if has_truth(manifest, index) else None
    pictures, probes = [photograph("input", image.permute(1, 2, 0).numpy())], list[Probe]()
    errors: list[float] = []
    maps = {name: _maps(run, manifest, index) for name, run in runs.items()}
    depth, bars = {name: one for name, one in maps.items() if "inverse_depth" in one}, []
    if depth:
        protocol = choose_protocol(first.config.evaluate.protocol)
        shown = {
            name: scaled(in_units(one["inverse_depth"], runs[name].method, protocol), truth, protocol)
            for name, one in depth.items()
        }
        limits = colour_range(next(iter(shown.values())) if truth is None else inverse_truth(truth))
        if truth is not None:
            pictures.append(colour_picture("measured", inverse_truth(truth), limits))
            probes.append(depth_probe("measured", for_display(inverse_truth(truth)), "m"))
        for name, values in shown.items():
            error = math.nan if truth is None else _abs_rel(depth[name]["inverse_depth"], runs[name], truth, protocol)
            errors.append(error)
            pictures.append(
                colour_picture(name, values, limits, note=f"abs_rel {error:.3f}" if truth is not None else "")
            )
            probes.append(depth_probe(name, values, "" if truth is None else "m"))
        bars.append(depth_bar(limits, truth is not None))
    for part in _classes(runs, maps, manifest, index):
        pictures.append(part[0])
        probes.append(part[1])
        errors.append(part[2])
    known = [error for error in errors if math.isfinite(error)]
    name = f"{row.sequence} · {row.position}" if row.sequence else Path(row.image).name
    spread = max(known) - min(known) if len(known) > 1 else math.nan
    return Panel(name, pictures, bars, data=panel_data(probes, None), error=spread)


def _maps(run: LoadedRun, manifest: Manifest, index: int) -> dict[str, torch.Tensor]:
    """Inverse depth (h, w) and class ids (h, w) on the CPU, each where the run predicts it."""
    image = working_image(manifest, index, run.config.frames.options)
    maps = RunNetwork(run, window=window_of(run.config.evaluate)).maps([image])
    shown = {}
    if "inverse_depth" in maps:
        shown["inverse_depth"] = maps["inverse_depth"][0, 0].float().cpu()
    if "logits" in maps:
        shown["classes"] = best_class(maps["logits"][0], image.shape[-2:]).cpu()
    return shown


def _abs_rel(inverse_depth: torch.Tensor, run: LoadedRun, truth: NDArray[np.float32], protocol: DepthProtocol) -> float:
    score = score_inverse_depth(in_units(inverse_depth, run.method, protocol), torch.from_numpy(truth), protocol)
    return float(score.errors[0]) if int(score.pixels) else math.nan


def _classes(
    runs: Mapping[str, LoadedRun], maps: Mapping[str, dict[str, torch.Tensor]], manifest: Manifest, index: int
) -> Iterator[tuple[Picture, Probe, float]]:
    """The label, and the classes of each run: picture, numbers, share of wrong pixels (NaN of the label)."""
    labelled = has_label(manifest, index)
    first = True
    for name, shown in maps.items():
        space = runs[name].method.label_space
        if "classes" not in shown or space is None:
            continue
        predicted, wrong, note = shown["classes"].numpy(), math.nan, ""
        if labelled:
            truth = resize_label(ground_truth_label(manifest, index, space), *predicted.shape)
            known = truth < len(space)
            wrong = float((predicted != truth)[known].mean()) if known.any() else math.nan
            note = f"{1 - wrong:.1%} right"
            if first:
                yield class_picture("label", truth, space), class_probe("label", truth, space.classes), math.nan
        first = False
        yield class_picture(name, predicted, space, note), class_probe(f"{name} class", predicted, space.classes), wrong
