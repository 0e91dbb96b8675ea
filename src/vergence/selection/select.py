"""Which frames to label: features of all frames, an order of choice, and files that say what was chosen and why."""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vergence.data.buckets.addresses import is_result
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.outputs import keep_inputs
from vergence.data.rows.split_rows import in_split
from vergence.data.rows.subsets import listed_rows
from vergence.data.shards import FOLDER, WHOLE, Parts
from vergence.errors import InputError
from vergence.inference.networks import weights_digest
from vergence.motion.flow import has_flow
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import RunFolder
from vergence.selection.choice import Choice
from vergence.selection.criteria import AUTO
from vergence.selection.frame_features import compute_features
from vergence.selection.selection_files import write_selection, written_by_select
from vergence.selection.settings import DEPTH_STUDENT, FeatureWork, Selection, StudentSettings
from vergence.selection.student import Overrides, Students
from vergence.selection.video_reach import compute_reach, is_video

_log = logging.getLogger("vergence")

PLAIN_STUDENTS = StudentSettings()
ALL_FEATURES = FeatureWork()


def select(
    run: Path | str,
    data: Path | str,
    out: Path | str,
    asked: Selection,
    students: StudentSettings = PLAIN_STUDENTS,
    work: FeatureWork = ALL_FEATURES,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Choose frames to label; see :func:`vergence.api.select`, which also writes the page.

    Returns:
        What ``selection.json`` says; of one shard of several only which frames' features it has computed.

    Raises:
        InputError: something given cannot be used; more frames are asked for than there are different ones.
        Interrupted: a signal came while a student was trained; the same call goes on.
    """
    out, shard = Path(out), work.shard
    if shard is not None and is_result(out) and str(shard.total) != os.environ.get("LOCAL_WORLD_SIZE"):
        raise InputError(
            f"{out}/features.npy is one file, which machines that share a store alone cannot write together; give with "
            "--out a folder all machines see, or leave --shard out."
        )
    given = resolve_input(data, split=False)
    lists = (Path(path) for path in (asked.exclude, asked.labelled) if path is not None)
    keep_inputs(written_by_select(out), given, *(path for path in lists if path.is_file()))
    closed, known = (_named(given, listed) for listed in (asked.exclude, asked.labelled))
    manifest = _sorted(given, asked.split)
    criterion = asked.criterion
    if criterion == AUTO:
        criterion = _criterion(manifest, asked.seconds, students.named or bool(asked.steps))
    loaded = load_run(run, device)
    _check_run(loaded, criterion, students.depth)
    teaching = Students(manifest, out / "steps", students.recipe, students.overrides, loaded.config.frames.options,
                        asked.seed, str(loaded.device), progress)  # fmt: skip
    if criterion == "entropy":
        teaching = _class_students(teaching, loaded, len(asked.goals))
    if criterion in ("us", "ds_us") or teaching.classes:
        teaching.check()
    elif students.overrides:
        raise InputError(f"criterion {criterion} trains no students; leave out {_first(students.overrides)}.")
    made_by = {"weights": weights_digest(loaded), "data": manifest.digest()}
    shards, rows = Parts(out / FOLDER, lambda: made_by, [out / "selection.json"]), (shard or WHOLE).rows(len(manifest))
    told = {"shard": str(shard), "features": [rows.start, rows.stop], "of": len(manifest)}
    if shard is not None:
        if shards.joined_before(shard):
            return told
        shards.begun(shard)
    elif shards.there():
        shards.joined()
    features = compute_features(loaded, manifest, out, work.half, shard, progress)
    reaches = compute_reach(manifest, out, asked.seconds, rows, progress) if criterion == "reach" else None
    if shard is not None:
        shards.done(shard, {"frames": len(rows)})
        _log.info("shard %s is done; when all are, the same command without --shard chooses", shard)
        return told
    choice = Choice(loaded, manifest, features, out, asked, progress, reaches)
    choice.close(closed, known)
    choice.check()
    choice.make(criterion, teaching, students.depth or str(run))
    selection = write_selection(choice, criterion, str(data), given, shards.asked)
    shards.remove()
    return selection


def _criterion(manifest: Manifest, seconds: float, students_wanted: bool) -> str:
    """Reach where frames are video and nothing was said about students; the paper's criterion elsewhere."""
    if students_wanted or not (has_flow() and is_video(manifest, seconds)):
        return "ds_us"
    _log.info("frames are video: chosen by how far their labels reach; --criterion ds_us is the choice of the paper")
    return "reach"


def _class_students(students: Students, run: LoadedRun, steps: int) -> Students:
    """Students of the entropy baseline: trained anew at each step on the labels of what is chosen, where all frames
    have labels (5.4); by the run's own recipe, unless another is named. Without labels the run itself is asked, once.
    """
    named = students.recipe != DEPTH_STUDENT
    labelled = students.manifest.given("label")[: len(students.manifest)].all()
    if labelled and (named or run.config.method == "supervised"):
        recipe = students.recipe if named else str(RunFolder(run.path).recipe)
        return replace(students, recipe=recipe, classes=True, parts=0 if named else steps)
    _log.warning(
        "the frames with the highest entropy of %s itself are taken in one step: to train anew at each step all frames "
        "need labels, and --student a recipe of method supervised (or the run to be of that method)",
        run.path,
    )
    return students


def _first(overrides: Overrides) -> str:
    """What the user wrote first."""
    return str(next(iter(overrides)))


def _named(manifest: Manifest, listed: str | Path | None) -> set[str]:
    """Images that a list names, or that have a label."""
    if listed is None:
        return set()
    if str(listed) == "labelled":
        images = manifest.values("image")
        return {images[row] for row in np.flatnonzero(manifest.judging()[: len(manifest)])}
    return {manifest[row].image for row in listed_rows(manifest, listed)}


def _sorted(manifest: Manifest, split: str) -> Manifest:
    """Samples of a split, sorted by their images' paths: seeds mean places in this order, as in the paper (5.5)."""
    if not len(manifest):
        raise InputError(f"{manifest.name} has no frames; there is nothing to choose from.")
    chosen = in_split(manifest, split)
    images = chosen.values("image")[: len(chosen)]
    return chosen.only(np.array(sorted(range(len(images)), key=images.__getitem__), np.int64), manifest.name)


def _check_run(run: LoadedRun, criterion: str, depth: str | None) -> None:
    tasks = run.method.tasks
    if criterion == "entropy" and "segmentation" not in tasks:
        raise InputError(f"{run.path} predicts no classes, whose entropy is asked for; name a segmentation run.")
    if criterion in ("us", "ds_us") and depth is None and "depth" not in tasks:
        raise InputError(f"{run.path} predicts no depth for a student to learn; name a depth run with --depth.")
