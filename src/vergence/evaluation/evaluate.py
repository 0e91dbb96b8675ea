"""Score a run on labels, measured depth and known poses, beside what it must beat; numbers with their protocol."""

import functools
import json as json_format
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from vergence.data.atomic import check_place, write_text
from vergence.data.digests import files_seen
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.data.rows.split_rows import has_split, has_splits, in_split
from vergence.data.shards import ASKED, FOLDER, Parts, Shard
from vergence.errors import InputError
from vergence.evaluation.depth import DepthEvaluation
from vergence.evaluation.depth_scores import csv_text, finite
from vergence.evaluation.image_scores import BATCH, ImageScores, evaluating
from vergence.evaluation.odometry import evaluate_odometry
from vergence.evaluation.regions import class_rows
from vergence.evaluation.scoring import Scoring, Settled
from vergence.evaluation.segmentation import SegmentationEvaluation
from vergence.inference.frame_shapes import describe_input
from vergence.inference.networks import weights_digest
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import BEST, LAST, RunFolder
from vergence.runs.processes import ALONE, Processes
from vergence.runs.said_once import said_once

_log = logging.getLogger("vergence")


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
        manifest = resolve_input(path, allow_truncated=frames.allow_truncated)
    if len(manifest) == 0:
        raise InputError(f"{manifest.name} has no frames to evaluate; give another manifest.")
    wanted = split if split is not None else settings.split or frames.val_split
    if absent == "all" and has_splits(manifest) and not has_split(manifest, wanted):
        _log.warning("%s has no split %r: all its frames are shown, also those trained on", manifest.name, wanted)
        return manifest
    if not has_splits(manifest) and data is None and frames.val is None:
        _log.warning("%s has no splits: scores are on frames that were trained on", manifest.name)
    return in_split(manifest, wanted)


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
    shard: Shard | None = None,
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
        shard: score this piece of the images only, and leave its numbers in ``FILE.shards`` beside ``json``, or in
            ``RUN/evaluation/shards``; None: score all, or, where there are shards, join them.

    A run folder that cannot be written is only read: the result is returned, and a warning says that it is not kept.

    Raises:
        InputError: nothing to score on, unknown protocol or resolution, unreadable files, ``json`` cannot be written,
            shards that are missing or do not belong together.
    """
    loaded = run if isinstance(run, LoadedRun) else load_run(Path(run), device)
    scoring.of(loaded)  # what is impossible is said before data are opened
    with said_once():  # baselines read the training frames, often of the same manifest
        manifest = open_data(loaded, data, split)
        if json is not None:
            beside = [Path(json).with_name(Path(json).stem + suffix) for suffix in _TABLES if per_image]
            keep_inputs([json, *beside], manifest, *RunFolder(loaded.path).inputs())
            for place, suffix in ((json, ".json"), *((table, ".csv") for table in beside)):
                check_place(place, (suffix,), "--json")
        own = RunFolder(loaded.path).evaluation(FOLDER).with_suffix("")
        folder = own if json is None else Path(json).with_suffix(f".{FOLDER}")
        made = RunFolder(loaded.path).evaluations() if json is None else [Path(json)]
        shards = Parts(folder, lambda: _depends_on(loaded, manifest, scoring), made)
        if shard is not None:
            return _shard(loaded, manifest, scoring, shards, shard, progress)
        joined = functools.partial(_joined, shards) if shards.there() else None
        result, parts = evaluate_parts(loaded, manifest, scoring, progress=progress, joined=joined)
    tables = {part.task: part.image_rows() for part in parts}
    if by_class := class_rows(result["rows"]):
        tables["depth-classes"] = by_class
    mark = {LAST: "", BEST: f"-{BEST}"}.get(loaded.checkpoint, f"-at-{loaded.checkpoint}")
    path = Path(json) if json is not None else RunFolder(loaded.path).evaluation(result["name"] + mark)
    try:
        write_text(path, json_format.dumps(finite(result) | {ASKED: shards.asked}, indent=2) + "\n")
        for number, (task, rows) in enumerate(tables.items() if per_image else ()):
            suffix = ".csv" if number == 0 else f"-{task}.csv"
            write_text(path.with_name(path.stem + suffix), csv_text(rows))
    except InputError as error:
        if json is not None:  # the user named a place: that it cannot be had is an error
            raise
        _log.warning("the result is shown only, not kept: %s To keep it, name a file with --json.", error)
        return result
    if joined is not None:
        shards.remove()
    return result


def _depends_on(run: LoadedRun, manifest: Manifest, scoring: Scoring) -> dict[str, Any]:
    """What shards must agree on."""
    settled = scoring.of(run)
    return {
        "weights": weights_digest(run), "data": manifest.digest(), "images": len(manifest),
        "protocol": settled.protocol.describe(), "flip": settled.flip, "resolution": settled.resolution,
        "classes": settled.classes, "window": str(settled.window), "baselines": scoring.baselines,
        "limit": scoring.limit,
    }  # fmt: skip


@torch.no_grad()
def _shard(
    run: LoadedRun, manifest: Manifest, scoring: Scoring, shards: Parts, shard: Shard, progress: Progress | None
) -> dict[str, Any]:
    """Score one shard and leave its numbers; gives which one, and how many images were scored."""
    if shards.joined_before(shard):
        return {"shard": str(shard), "images": 0}
    shards.begun(shard)  # what is wrong is said before the work
    with evaluating(run.method):
        images = ImageScores(run, manifest, scoring)
        if not images.parts:
            raise _nothing_to_score(manifest, run.method.tasks)
        rows = _share(images, shard)
        seen = files_seen(images.files(rows))  # before they are read: what changes meanwhile is told by the join
        shards.done(shard, images.score(rows, progress), seen)
    _log.info("shard %s is done; when all are, the same command without --shard joins them", shard)
    return {"shard": str(shard), "images": len(rows)}


def _share(images: ImageScores, shard: Shard) -> list[int]:
    return Processes(shard.number, shard.total).share(images.rows, BATCH)


def _joined(shards: Parts, images: ImageScores) -> list[dict[str, Any]]:
    return shards.joined(lambda shard: images.files(_share(images, shard)))


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
    joined: Callable[[ImageScores], list[dict[str, Any]]] | None = None,
) -> tuple[dict[str, Any], list[DepthEvaluation | SegmentationEvaluation]]:
    """The result as of :func:`evaluate_run`, and by task what it was made of: numbers of each image.

    Args:
        joined: gives the numbers of all images, where shards have measured them.
    """
    moves = scoring.odometry and getattr(run.method, "pose", None) is not None
    poses = moves and manifest.given("pose")[: len(manifest)].any()
    with evaluating(run.method):
        images = ImageScores(run, manifest, scoring if joined is None else replace(scoring, baselines=False))
        if not images.parts and not poses:
            raise _nothing_to_score(manifest, run.method.tasks)
        rows = processes.share(images.rows, BATCH)
        images.merge(joined(images) if joined else processes.together(lambda: images.score(rows, progress)))
        result = _result(run, manifest, scoring.of(run), images.parts)
        motion = evaluate_odometry(run, manifest) if poses else None
        if motion is not None:
            result["odometry"] = motion
        elif not images.parts:
            raise InputError(f"{manifest.name} has no three frames in a row with poses; evaluate on longer sequences.")
        return result, images.parts


def _nothing_to_score(manifest: Manifest, tasks: tuple[str, ...]) -> InputError:
    names = {"segmentation": "labels (column label)", "depth": "measured depth (columns depth, disparity)"}
    missing = [names[task] for task in names if task in tasks]
    return InputError(
        f"{manifest.name} has no {' and no '.join(missing)} for any of its {len(manifest)} frames; "
        "evaluate on a manifest that has."
    )


def _result(
    run: LoadedRun,
    manifest: Manifest,
    settled: Settled,
    parts: list[DepthEvaluation | SegmentationEvaluation],
) -> dict[str, Any]:
    """What the parts found, each with a stamp: all that its numbers depend on."""
    size, seen = describe_input(manifest, run.config.frames.options)
    digest = manifest.digest()
    flipped, data = f"flip {'on' if settled.flip else 'off'}", f"data {digest} · {run.step_said}"
    result: dict[str, Any] = {
        "name": settled.protocol.name,
        "protocol": settled.protocol.describe(),
        "stamp": f"{seen} · {data}",
        "data": digest,
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
