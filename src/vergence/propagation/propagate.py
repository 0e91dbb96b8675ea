"""Labels of a few frames carried to their neighbours in time, each carried pixel with a confidence."""

import contextlib
import json
import logging
import math
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import vergence
from vergence.data.atomic import write_text, writing
from vergence.data.buckets.addresses import named
from vergence.data.digests import file_state
from vergence.data.labels import LabelSpace
from vergence.data.manifest import Manifest
from vergence.data.measured.depth_files import write_picture
from vergence.data.outputs import keep_inputs
from vergence.data.rows.frame_row import FrameRow
from vergence.data.shards import ASKED, FOLDER, Parts, Shard
from vergence.data.stored_size import stored_size
from vergence.data.structured import read_arrays, read_json
from vergence.errors import InputError
from vergence.inference.class_files import write_label_png
from vergence.inference.frame_streams import names_of
from vergence.inference.inputs import resize_label, stored_label
from vergence.inference.port_runs import weights_identity
from vergence.motion.confidence import IGNORED, Trust, probability
from vergence.progress import Progress
from vergence.propagation.carry import Piece, carry
from vergence.propagation.checks import (
    check_frames,
    check_output,
    check_pieces,
    nothing_carried,
    space_carried,
)
from vergence.propagation.meetings import ARRAYS, agreed, checked, stored_meetings
from vergence.propagation.run_camera import other_camera
from vergence.propagation.segments import Segment, check_rates, seconds_between, segments
from vergence.propagation.video_motion import MotionName, VideoMotion, working_pixels
from vergence.runs.checkpoint import LoadedRun
from vergence.runs.port_files import digest

_log = logging.getLogger("vergence")

RECORD = "propagation.json"
_WORK = ".work"
"""Folder of what is carried before all is."""
_DONE = "carried.json"
"""In the folder of a segment: all of it is carried."""
_MET = "met.npz"
"""Beside it: of all pixels where a carried label meets one made by hand, its score, and whether the two agree."""
_AGAIN = "remove it and propagate again"


@dataclass(frozen=True)
class Propagation:
    """Settings of a call."""

    motion: MotionName = "auto"
    seconds: float = 2.0
    keep: float = 0.9
    width: int = 1280
    field_of_view: float = 60.0
    trust: Trust = field(default_factory=Trust)

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise InputError(f"--seconds is {self.seconds}; give how far labels are carried, such as 2.")
        if not 0 < self.keep <= 1:
            raise InputError(f"--keep is {self.keep}; give the share of pixels that keep a label, over 0 and up to 1.")
        if not 0 < self.field_of_view < 180:
            raise InputError(f"--field_of_view is {self.field_of_view}; give degrees between 0 and 180.")
        if self.width < 32:
            raise InputError(f"--width is {self.width}; give the largest width of working frames, 32 or more.")


def propagate(
    manifest: Manifest,
    out: Path | str,
    settings: Propagation,
    run: LoadedRun | None = None,
    progress: Progress | None = None,
    shard: Shard | None = None,
) -> dict[str, Any]:
    """Carry the labels of a manifest through its video and write the manifest that training reads.

    Beside ``out`` (a ``.parquet`` or ``.csv`` file) a folder of its name holds ``labels/NAME.png`` (ids of the label
    space, 255 none), ``confidence/NAME.png`` (value / 255 = probability of being right) and ``propagation.json``.
    Rows that get a label have ``label_origin`` "carried"; labels made by hand stay as they are. A call that was
    interrupted goes on where it stopped.

    Args:
        shard: carry over this piece of the segments between labels only; None: over all, or, where shards are done,
            write what they carried.

    Raises:
        InputError: no labelled frame, none with neighbours in time, labels of several spaces, frames or labels that
            cannot be carried (all are looked at before anything is), a run that does not fit, nothing that arrives,
            shards that are missing or do not belong together.
    """
    out = Path(out).absolute()
    folder = out.with_suffix("")
    check_output(out, folder, RECORD)
    keep_inputs([out, *folder.rglob("*")], manifest)
    space = space_carried(manifest)
    check_rates(manifest, settings.seconds)
    pieces = list(segments(manifest, settings.seconds))
    check_pieces(manifest, pieces, settings.seconds)
    run = _fitting(run, manifest, pieces, settings)
    motion = VideoMotion(run, settings.motion, settings.field_of_view)
    shards = Parts(folder / _WORK / FOLDER, lambda: _depends_on(manifest, settings, run), [folder / RECORD])
    own, joins = pieces if shard is None else shard.share(pieces), shard is None and shards.there()
    if shard is not None:
        if shards.joined_before(shard):
            return {"shard": str(shard), "segments": 0, "of": len(pieces)}
        shards.begun(shard)
    elif joins:
        shards.joined()
    kept = {piece: folder / _WORK / _identity(manifest, piece, settings, run) for piece in own}
    unseen = [piece for piece in own if not (joins and (kept[piece] / _DONE).is_file())]
    check_frames(manifest, unseen, space, settings.width, motion)
    results = [_piece(manifest, piece, motion, space, settings, kept[piece]) for piece in _counted(own, progress)]
    if shard is not None:
        shards.done(shard, {"segments": len(results)})
        _log.info("shard %s is done; when all are, the same command without --shard joins them", shard)
        return {"shard": str(shard), "segments": len(results), "of": len(pieces)}
    names = dict(zip(range(len(manifest)), names_of(list(manifest)), strict=True))
    reached = {row: file for result in results for row, file in result.files.items()}
    if not _arrived(reached.values()):
        shutil.rmtree(folder / _WORK)
        with contextlib.suppress(OSError):  # of an earlier call
            folder.rmdir()
        raise InputError(nothing_carried(manifest, motion, sum(len(result.cuts) for result in results)))
    threshold = _threshold(list(reached.values()), settings.keep)
    coverage = {row: _write(manifest, row, reached[row], threshold, folder, names[row], space) for row in reached}
    rows = [_carried(row, index, coverage, folder, names, space) for index, row in enumerate(manifest)]
    written = Manifest.read(Manifest(rows, manifest.root, manifest.name).write(out))
    _tidy(folder, {names[row] for row, share in coverage.items() if share > 0})
    for result in results:
        result.meetings = agreed(result.meetings, read_arrays(result.met, _AGAIN, ARRAYS), threshold)
    record = _record(manifest, written, settings, motion, results, coverage, threshold, space)
    write_text(folder / RECORD, json.dumps(record | {ASKED: shards.asked}, indent=1) + "\n")
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    return record


def _fitting(
    run: LoadedRun | None, manifest: Manifest, pieces: list[Segment], settings: Propagation
) -> LoadedRun | None:
    """The run where it learned from such a camera; for motion auto None where not, for geometry InputError."""
    if run is None or settings.motion == "flow":
        return run
    rows = sorted({row for piece in pieces for row in piece.chain})
    differs = other_camera(run, manifest, rows, settings.field_of_view)
    if not differs:
        return run
    guessed = "" if all(manifest[row].intrinsics_known for row in rows) else ", or the true --field_of_view"
    remedy = f"name a run that learned from video of this camera{guessed}"
    if settings.motion == "geometry":
        raise InputError(f"{differs}; {remedy}, or use --motion flow.")
    _log.warning("%s; labels are carried by flow alone (%s, for geometry)", differs, remedy)
    return None


@dataclass
class _Result:
    """What one segment gave: files of what was carried by row, agreement where labels met, cuts."""

    segment: Segment
    files: dict[int, Path]
    meetings: list[dict[str, float]]
    """In order; the scores of their pixels lie one after the other in the file ``met``."""
    met: Path
    cuts: list[int]


def _counted(pieces: list[Segment], progress: Progress | None) -> Iterator[Segment]:
    """The segments, telling how many frames are done."""
    total, done = sum(len(piece.rows) for piece in pieces), 0
    for piece in pieces:
        yield piece
        done += len(piece.rows)
        if progress is not None:
            progress(done, total)


def _identity(manifest: Manifest, segment: Segment, settings: Propagation, run: LoadedRun | None) -> str:
    """A file name that changes with anything that what is carried depends on."""
    labels = [manifest.path(row, "label") for row in segment.chain if manifest[row].judges]
    files = [file_state(path) for path in (*labels, *(manifest.path(row) for row in segment.chain))]
    files += [repr(manifest[row]) for row in segment.chain]  # spaces, times, cameras
    how = asdict(replace(settings, keep=1.0)) | {"ends": segment.ends}
    return digest("|".join([*files, str(how), weights_identity(run.files().path) if run is not None else ""]))


def _depends_on(manifest: Manifest, settings: Propagation, run: LoadedRun | None) -> dict[str, Any]:
    """What shards must agree on."""
    weights = weights_identity(run.files().path) if run is not None else None
    return {"data": manifest.digest(), **asdict(settings), "run": weights}


def _piece(
    manifest: Manifest,
    segment: Segment,
    motion: VideoMotion,
    space: LabelSpace,
    settings: Propagation,
    cache: Path,
) -> _Result:
    """Carry over one segment, or take what an earlier call left of it."""
    record = cache / _DONE
    if not record.is_file():
        outcome = _carry(manifest, segment, motion, space, settings)
        arrays = {f"{frame}.npz": {"label": label, "score": score} for frame, (label, score) in outcome.carried.items()}
        for name, held in (arrays | {_MET: outcome.met}).items():
            with writing(cache / name) as temporary:
                np.savez(temporary, **held)
        write_text(record, json.dumps(outcome.told))
    stored = read_json(record, remedy="remove it")
    files = {segment.chain[frame]: cache / f"{frame}.npz" for frame in stored["places"]}
    return _Result(segment, files, stored["meetings"], cache / _MET, stored["cuts"])


class _Carried(NamedTuple):
    """What is stored of a segment."""

    carried: dict[int, tuple[NDArray[np.uint8], NDArray[np.float32]]]
    met: dict[str, NDArray[Any]]
    told: dict[str, Any]


def _carry(
    manifest: Manifest, segment: Segment, motion: VideoMotion, space: LabelSpace, settings: Propagation
) -> _Carried:
    chain = segment.chain
    frames = [working_pixels(manifest, row, settings.width) for row in chain]
    labels = [
        torch.from_numpy(np.array(stored_label(manifest, row, space))) if manifest[row].judges else None
        for row in chain
    ]
    pairs = motion.pairs(manifest, chain, frames)
    times = [seconds_between(manifest, chain[0], row) for row in chain]
    outcome = carry(Piece(frames, times, labels, pairs, len(space), settings.trust, segment.ends))
    arrays = {number: (carried.label.numpy(), carried.score.numpy()) for number, carried in outcome.carried.items()}
    met, meetings = stored_meetings(outcome.meetings)
    return _Carried(arrays, met, {"places": sorted(arrays), "meetings": meetings, "cuts": outcome.cuts})


def _arrived(files: Iterable[Path]) -> bool:
    """Whether any pixel of any frame got a label."""
    return any((_kept(file)["label"] != IGNORED).any() for file in files)


_BINS = 20000


def _threshold(files: list[Path], keep: float) -> float:
    """The score that the wanted share of all pixels of carried frames reaches; 0 where fewer were reached."""
    counts, total = np.zeros(_BINS, np.int64), 0
    for file in files:
        score = _kept(file)["score"]
        total += score.size
        counts += np.bincount((score.ravel() * (_BINS - 1)).astype(np.int64), minlength=_BINS)
    above = counts[::-1].cumsum()
    reached = np.flatnonzero(above >= keep * total)
    return max(0.0, (_BINS - 1 - int(reached[0])) / (_BINS - 1)) if len(reached) else 0.0


def _kept(file: Path) -> dict[str, NDArray[Any]]:
    """Label ids and scores in [0, 1] (H, W) that were kept of a row; InputError where the file is damaged."""
    arrays = read_arrays(file, _AGAIN, ("label", "score"))
    label, score = arrays["label"], arrays["score"]
    sound = label.dtype == np.uint8 and label.ndim == 2 and label.shape == score.shape and score.dtype.kind == "f"
    if not sound or not ((score >= 0) & (score <= 1)).all():
        raise InputError(f"{file} holds no label ids and scores from 0 to 1 of one size; {_AGAIN}.")
    return arrays


def _write(
    manifest: Manifest, row: int, file: Path, threshold: float, folder: Path, name: str, space: LabelSpace
) -> float:
    """Write label and confidence of a row; the share of its pixels that has a label."""
    stored = _kept(file)
    label, score = stored["label"], stored["score"]
    label[score < threshold] = IGNORED
    sure = np.where(label == IGNORED, 0.0, probability(torch.from_numpy(score)).numpy())
    confidence = np.round(sure * 255).astype(np.uint8)
    size = stored_size(manifest, row)
    if size != label.shape:
        label, confidence = (resize_label(values, *size) for values in (label, confidence))
    write_picture(folder / "confidence" / f"{name}.png", confidence)
    write_label_png(folder / "labels" / f"{name}.png", label, space)
    return float((label != IGNORED).mean())


def _tidy(folder: Path, names: set[str]) -> None:
    """Remove pictures that no row names: of an earlier call that went farther, or without any label."""
    for kind in ("labels", "confidence"):
        for file in (folder / kind).rglob("*.png"):
            if file.relative_to(folder / kind).with_suffix("").as_posix() not in names:
                file.unlink()


def _carried(
    row: FrameRow, index: int, coverage: dict[int, float], folder: Path, names: dict[int, str], space: LabelSpace
) -> FrameRow:
    """The row with its carried label, without one that an earlier call carried where this one does not."""
    if index in coverage and coverage[index] > 0:
        label, sure = (str(folder / kind / f"{names[index]}.png") for kind in ("labels", "confidence"))
        return replace(row, label=label, label_space=space.text(), label_origin="carried", label_confidence=sure)
    return replace(row, label="", label_origin="", label_confidence="") if row.label_origin else row


def _record(
    manifest: Manifest,
    written: Manifest,
    settings: Propagation,
    motion: VideoMotion,
    results: list[_Result],
    coverage: dict[int, float],
    threshold: float,
    space: LabelSpace,
) -> dict[str, Any]:
    return {
        "vergence": vergence.__version__,
        "motion": motion.describe(),
        "seconds": settings.seconds,
        "keep": settings.keep,
        "threshold": threshold,
        "label_space": space.text(),
        "data": manifest.digest(),
        "labelled": len({end for result in results for end in result.segment.keys}),
        "carried": sum(share > 0 for share in coverage.values()),
        "coverage": float(np.mean(list(coverage.values()))) if coverage else 0.0,
        "check": checked([meeting for result in results for meeting in result.meetings]),
        "segments": [_told(written, result, coverage) for result in results],
    }


def _told(manifest: Manifest, result: _Result, coverage: dict[int, float]) -> dict[str, Any]:
    """One segment, its frames named as in the manifest that was written."""
    segment = result.segment

    def image(row: int | None) -> str | None:
        return None if row is None else named(manifest[row].image)

    return {
        "sequence": manifest[segment.chain[0]].sequence,
        "camera": manifest[segment.chain[0]].camera,
        "from": image(segment.before),
        "to": image(segment.after),
        "frames": [{"image": image(row), "coverage": coverage.get(row, 0.0)} for row in segment.rows],
        "cuts": [image(segment.chain[frame + 1]) for frame in result.cuts],
        "meetings": result.meetings,
    }


def summary(record: dict[str, Any]) -> str:
    """One line about what was carried."""
    if "shard" in record:
        return f"shard {record['shard']}, labels carried over {record['segments']} of {record['of']} pieces of video"
    carried = f"{record['labelled']} labels carried to {record['carried']} frames by {record['motion']}"
    check, agreement = record["check"], ""
    if check["right_kept"] is not None:
        agreement = (
            f"; where a carried label meets one made by hand, {check['seconds']:.1f} s away on average, "
            f"{100 * check['right_kept']:.1f} % of the kept pixels agree"
        )
    return f"{carried}, {100 * record['coverage']:.0f} % of their pixels{agreement}"
