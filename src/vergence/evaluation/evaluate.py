"""Score a run on labels, measured depth and known poses, beside what it must beat; numbers with their protocol."""

import json as json_format
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vergence.data.atomic import write_text
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.data.split_rows import has_split, has_splits, in_split
from vergence.errors import InputError
from vergence.evaluation.baselines import untrained_method
from vergence.evaluation.class_protocols import class_protocol
from vergence.evaluation.depth import DepthEvaluation
from vergence.evaluation.depth_scores import choose_protocol, csv_text, finite
from vergence.evaluation.odometry import evaluate_odometry
from vergence.evaluation.regions import class_rows
from vergence.evaluation.segmentation import SegmentationEvaluation
from vergence.inference.frame_shapes import describe_input
from vergence.inference.inputs import evenly_spaced, has_label, has_truth, prefetched, working_image
from vergence.inference.network_maps import Window, window_of
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Maps, Predictor
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.config_sections import check_resolution
from vergence.runs.folder import BEST, LAST, RunFolder
from vergence.runs.processes import ALONE, Processes
from vergence.runs.said_once import said_once
from vergence.settings.protocols import DepthProtocol

_log = logging.getLogger("vergence")

_BATCH = 8
_BATCH_PIXELS = 2**22
"""Pixels of a batch at most: large pictures go one or two at a time."""


def open_data(
    run: LoadedRun, data: Manifest | Path | str | None, split: str | None, absent: Literal["error", "all"] = "error"
) -> Manifest:
    """The frames to evaluate: of ``data`` (default: the run's), of ``split`` (default: the run's).

    Args:
        absent: what data with splits but without this one are: an error, or (for pictures) taken whole, with a warning.

    Raises:
        InputError: no such split, or no frame.
    """
    frames, settings = run.config.frames, run.config.evaluate
    if isinstance(data, Manifest):
        manifest = data
    else:
        path = data if data is not None else frames.val or frames.source
        if not path:
            raise InputError(f"{run.path} names no evaluation data; give a manifest with --data.")
        manifest = resolve_input(Path(path), allow_truncated=frames.allow_truncated)
    if len(manifest) == 0:
        raise InputError(f"{manifest.name} has no frames to evaluate; give another manifest.")
    wanted = split if split is not None else settings.split or frames.val_split
    if absent == "all" and has_splits(manifest) and not has_split(manifest, wanted):
        _log.warning("%s has no split %r: all its frames are shown, also those trained on", manifest.name, wanted)
        return manifest
    if not has_splits(manifest) and data is None and frames.val is None:
        _log.warning("%s has no splits: scores are on frames that were trained on", manifest.name)
    return in_split(manifest, wanted)


@dataclass(frozen=True)
class Scoring:
    """How a run is scored; what is None is as the run's ``evaluate`` settings say."""

    protocol: str | DepthProtocol | None = None
    """How depth is scored: "eigen", "improved", "plain" or one's own."""
    scale: str | float | None = None
    """The scale of depth, instead of the protocol's: "median", "none", or a factor on the network's unit."""
    flip: bool | None = None
    """Average with the prediction of the mirrored picture."""
    resolution: str | None = None
    """Where classes are compared: "working" (prediction and labels at the network's input size), "native" (the labels'
    own size) or ``WIDTHxHEIGHT``."""
    classes: str | None = None
    """Which classes are averaged, see :mod:`vergence.evaluation.class_protocols`."""
    window: str | None = None
    """``WIDTHxHEIGHT`` of a box that slides over the network's input; "none": the whole picture at once."""
    overlap: float | None = None
    """Share of its side by which neighbouring boxes overlap."""
    baselines: bool = True
    """Also score the input-free answers and the untrained network."""
    odometry: bool = True
    """Also score the pose network, where there are poses."""
    limit: int | None = None
    """At most so many images, evenly spaced."""

    def of(self, run: LoadedRun) -> "_Settled":
        """With what the run says; InputError for what is unknown or impossible."""
        settings = run.config.evaluate
        resolution = settings.resolution if self.resolution is None else self.resolution
        check_resolution(resolution)
        classes = settings.classes if self.classes is None else self.classes
        class_protocol(classes)
        return _Settled(
            choose_protocol(settings.protocol if self.protocol is None else self.protocol, self.scale),
            settings.flip if self.flip is None else self.flip,
            resolution,
            classes,
            window_of(settings, self.window, self.overlap),
        )


class _Settled(NamedTuple):
    protocol: DepthProtocol
    flip: bool
    resolution: str
    classes: str
    window: Window | None


_AS_TRAINED = Scoring()
_TABLES = (".csv", "-segmentation.csv", "-depth-classes.csv")
"""Ends of the files beside the result, one a task; the first one has none in its name."""


def evaluate(
    run: LoadedRun | Path | str,
    data: Manifest | Path | str | None = None,
    scoring: Scoring = _AS_TRAINED,
    split: str | None = None,
    *,
    json: Path | str | None = None,
    per_image: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Evaluate a run folder (or a loaded run) and write the result to its ``evaluation`` folder.

    Depth is scored where the method predicts it and the data have measured depth, segmentation where the method
    predicts it and the data have labels.

    Args:
        data: manifest, folder or video with labels, measured depth (``depth`` or ``disparity``) or poses; default the
            run's.
        split: rows of the manifest; default the run's ``evaluate.split``; "all": every row.
        json: another place for the result; default ``RUN/evaluation/<name>.json`` with the protocol or the resolution,
            and the checkpoint, where that is not the last.
        per_image: also write CSV with one row an image and predictor beside the JSON file.

    A run folder that cannot be written is only read: the result is returned, and a warning says that it is not kept.

    Raises:
        InputError: nothing to score on, unknown protocol or resolution, unreadable files, ``json`` cannot be written.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(Path(run), device)
    scoring.of(loaded)  # what is impossible is said before data are opened
    with said_once():  # baselines read the training frames, often of the same manifest
        manifest = open_data(loaded, data, split)
        if json is not None:
            beside = [Path(json).with_name(Path(json).stem + suffix) for suffix in _TABLES if per_image]
            keep_inputs([json, *beside], manifest, *RunFolder(loaded.path).inputs())
        result, parts = evaluate_parts(loaded, manifest, scoring, progress=progress)
    tables = {part.task: part.image_rows() for part in parts}
    if by_class := class_rows(result["rows"]):
        tables["depth-classes"] = by_class
    mark = {LAST: "", BEST: f"-{BEST}"}.get(loaded.checkpoint, f"-at-{loaded.checkpoint}")
    path = Path(json) if json is not None else RunFolder(loaded.path).evaluation(result["name"] + mark)
    try:
        write_text(path, json_format.dumps(finite(result), indent=2) + "\n")
        for number, (task, rows) in enumerate(tables.items() if per_image else ()):
            suffix = ".csv" if number == 0 else f"-{task}.csv"
            write_text(path.with_name(path.stem + suffix), csv_text(rows))
    except InputError as error:
        if json is not None:  # the user named a place: that it cannot be had is an error
            raise
        _log.warning("the result is shown only, not kept: %s To keep it, name a file with --json.", error)
    return result


def evaluate_run(
    run: LoadedRun,
    manifest: Manifest,
    scoring: Scoring = _AS_TRAINED,
    *,
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> dict[str, Any]:
    """Score a loaded run; writes nothing and leaves the random state and the training mode as they were.

    Of several processes all must call it: each scores its share of the images, and all get the result of all images,
    the same as one process would have.

    Returns:
        ``protocol`` (one line), ``stamp`` (all that a number depends on), ``data`` (digest), ``images``, ``rows``
        (depth, one a predictor; empty where no depth was scored), ``segmentation`` (see
        :meth:`~vergence.evaluation.segmentation.SegmentationEvaluation.result`) where classes were scored, and
        ``odometry`` where the manifest has poses and the method a pose network.
    """
    return evaluate_parts(run, manifest, scoring, progress, processes)[0]


@torch.no_grad()
def evaluate_parts(
    run: LoadedRun,
    manifest: Manifest,
    scoring: Scoring,
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> tuple[dict[str, Any], list[DepthEvaluation | SegmentationEvaluation]]:
    """The result as of :func:`evaluate_run`, and by task what it was made of: numbers of each image."""
    settled = scoring.of(run)
    tasks = run.method.tasks
    depth = [i for i in range(len(manifest)) if has_truth(manifest, i)] if "depth" in tasks else []
    labels = [i for i in range(len(manifest)) if has_label(manifest, i)] if "segmentation" in tasks else []
    poses = scoring.odometry and any(row.pose for row in manifest) and getattr(run.method, "pose", None) is not None
    if not depth and not labels and not poses:
        raise _nothing_to_score(manifest, tasks)
    training = run.method.training
    run.method.eval()
    try:
        methods, note = {"trained": run.method}, ""
        if scoring.baselines and (depth or labels):
            methods["untrained"], note = untrained_method(run)
        networks = {
            name: RunNetwork(replace(run, method=method), settled.flip, settled.window, small=True)
            for name, method in methods.items()
        }
        parts: list[DepthEvaluation | SegmentationEvaluation] = []
        if depth:
            parts.append(DepthEvaluation(run, manifest, depth, settled.protocol, methods, note))
        if labels:
            parts.append(
                SegmentationEvaluation(run, manifest, labels, settled.resolution, methods, note, settled.classes)
            )
        chosen = {part.task: evenly_spaced(part.rows, scoring.limit) for part in parts}
        rows = processes.share(sorted(set().union(*chosen.values())), _BATCH)

        def score() -> list[Any]:
            seen = _truths_and_maps(networks, manifest, rows, parts, chosen)
            for done, (index, truths, maps) in enumerate(seen):
                for part in parts:
                    if part.task in truths:
                        part.add(index, truths[part.task], maps)
                if progress is not None:
                    progress(done + 1, len(rows))
            return [part.state() for part in parts]

        for part, results in zip(parts, zip(*processes.together(score), strict=True), strict=True):
            part.merge(list(results))
        result = _result(run, manifest, settled, parts)
        motion = evaluate_odometry(run, manifest) if poses else None
        if motion is not None:
            result["odometry"] = motion
        elif not parts:
            raise InputError(f"{manifest.name} has no three frames in a row with poses; evaluate on longer sequences.")
        return result, parts
    finally:
        run.method.train(training)


def _nothing_to_score(manifest: Manifest, tasks: tuple[str, ...]) -> InputError:
    names = {"segmentation": "labels (column label)", "depth": "measured depth (columns depth, disparity)"}
    missing = [names[task] for task in names if task in tasks]
    return InputError(
        f"{manifest.name} has no {' and no '.join(missing)} for any of its {len(manifest)} frames; "
        "evaluate on a manifest that has."
    )


def _truths_and_maps(
    networks: dict[str, RunNetwork],
    manifest: Manifest,
    rows: list[int],
    parts: list[DepthEvaluation | SegmentationEvaluation],
    chosen: dict[str, list[int]],
) -> Iterator[tuple[int, dict[str, Any], Maps]]:
    """All rows in order: the row, what it is scored against by task, and its maps (., h, w) by network."""
    wanted = {task: set(indices) for task, indices in chosen.items()}
    trained = networks["trained"]

    def load(index: int) -> tuple[Tensor, dict[str, Any]]:
        image = working_image(manifest, index, trained.options)
        return image, {part.task: part.truth(index) for part in parts if index in wanted[part.task]}

    def look(batch: Sequence[Tensor]) -> Maps:
        return {name: network.maps(batch) for name, network in networks.items()}

    loaded = prefetched(load, rows, ahead=2 * _BATCH)
    images = (((index, truths), image) for index, (image, truths) in loaded)
    predictor = Predictor(trained, _BATCH, batch_pixels=_BATCH_PIXELS)
    for (index, truths), maps in predictor.looked_at(images, look):
        yield index, truths, maps


def _result(
    run: LoadedRun,
    manifest: Manifest,
    settled: _Settled,
    parts: list[DepthEvaluation | SegmentationEvaluation],
) -> dict[str, Any]:
    """What the parts found, each with a stamp: all that its numbers depend on."""
    size, seen = describe_input(manifest, run.config.frames.options)
    flipped, data = f"flip {'on' if settled.flip else 'off'}", f"data {manifest.digest()} · {run.step_said}"
    result: dict[str, Any] = {
        "name": settled.protocol.name,
        "protocol": settled.protocol.describe(),
        "stamp": f"{seen} · {data}",
        "data": manifest.digest(),
        "images": 0,
        "size": size,
        "flip": settled.flip,
        "step": run.step,
        "checkpoint": run.checkpoint,
        "rows": [],
    }
    names, boxes = [], None if settled.window is None else str(settled.window)
    for part in parts:
        summary = part.result()
        names.append(summary["name"])
        stamp = [summary["protocol"], seen, flipped, f"{summary['images']} images", data]
        if part.task == "depth":
            result |= summary | {"stamp": " · ".join([*stamp, f"depth {summary['scale_status']}"])}
            continue
        stamp.insert(3, boxes or "whole pictures")
        summary["stamp"] = " · ".join([*stamp, *summary["training"]])
        summary |= {"flip": settled.flip, "window": boxes}
        if len(parts) == 1:
            result |= {key: summary[key] for key in ("protocol", "stamp", "images")}
        result["segmentation"] = summary
    return result | ({"name": "-".join(names)} if names else {})
