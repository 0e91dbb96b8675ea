"""Labels in a flywheel: whose they are, which are known in a round, the noisy ones of all frames, and those that are
carried through its video: for training, and to compare predictions with."""

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from vergence.data.atomic import write_text
from vergence.data.buckets.addresses import named
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.rows.selected import image_path, with_label
from vergence.data.rows.split_rows import in_split
from vergence.data.structured import read_json
from vergence.errors import InputError
from vergence.flywheel.folder import Round
from vergence.flywheel.settings import CarryConfig
from vergence.inference.predict import SIDECAR, Written, predict
from vergence.propagation.propagate import RECORD, Propagation, propagate
from vergence.runs.checkpoint import LoadedRun, load_run, read_object
from vergence.runs.folder import find_checkpoint

_log = logging.getLogger("vergence")

AGREEMENT = CarryConfig(seconds=1.0, keep=0.6)
"""Labels to compare predictions with are carried less far and kept only where they are surest."""
_RETURNED = ("labelled.parquet", "labelled.csv")
"""What comes back from the annotator, beside the selection."""


def in_training(manifest: Manifest, split: str) -> list[FrameRow]:
    """Frames that may be trained on: of the split, or all where the data have no splits."""
    return list(in_split(manifest, split, "frames.train_split"))


def label_source(manifest: Manifest, split: str) -> Literal["manifest", "annotator"]:
    """ "manifest" where any training frame has a label."""
    return "manifest" if any(row.judges for row in in_training(manifest, split)) else "annotator"


def check_budget(manifest: Manifest, split: str, by: str, wanted: int) -> None:
    """InputError where more labels are asked for than there are frames that can be labelled."""
    rows = in_training(manifest, split)
    labelled = sum(row.judges for row in rows)
    there = labelled if by == "manifest" else len(rows) - labelled
    candidates = "training frames with a label" if by == "manifest" else "training frames without a label"
    if wanted > there:
        raise InputError(
            f"the flywheel is to reveal {wanted} labels and {manifest.name} has {there} {candidates}; lower "
            "flywheel.labels.per_round or flywheel.rounds, or set flywheel.labels.total."
        )
    if wanted == 0 and (by == "manifest" or labelled == 0):
        raise InputError("there is no label to learn from; set flywheel.labels.per_round to 1 or more.")


def known_before(data: Manifest, rounds: list[Round], number: int, split: str, by: str) -> list[str]:
    """Images labelled before a round: with an annotator also those that had a label from the start."""
    if number:
        return rounds[number - 1].chosen()
    return [] if by == "manifest" else [row.image for row in in_training(data, split) if row.judges]


def not_to_choose(run_folder: Path, data: Manifest, split: str, by: str) -> Path | None:
    """A list of training frames whose label nobody has, where labels come from the manifest."""
    without = [row.image for row in in_training(data, split) if not row.judges] if by == "manifest" else []
    return write_text(run_folder / "unlabelled.json", json.dumps(list(map(named, without))) + "\n") if without else None


def list_of(one: Round, images: Iterable[str], name: str) -> Path | None:
    """A list of images beside the selection; None for an empty one."""
    images = list(map(named, images))
    return write_text(one.folder / name, json.dumps(images, indent=1) + "\n") if images else None


def open_labels(data: Manifest, rounds: list[Round], number: int, images: list[str], split: str) -> Manifest:
    """The data with the labels of ``images`` (their own, or those that came back) and of frames of other splits.

    InputError, for people to act on, where frames of this round have no label yet.
    """
    came = _returned(rounds[: number + 1])
    chosen = set(images)
    training = {row.image for row in in_training(data, split)}

    def known(row: FrameRow) -> FrameRow:
        if row.image not in training:
            return row
        if row.image not in chosen:
            return with_label(row, "", row.label_space)
        label = came.get(image_path(data, row))
        return row if label is None else with_label(row, *label)

    opened = data.changed(known)
    missing = [row.image for row in opened if row.image in chosen and not row.judges]
    if missing:
        raise InputError(_request(rounds[number], missing))
    return opened


def _returned(rounds: list[Round]) -> dict[str, tuple[str, str]]:
    """Label file and label space by image, both absolute paths."""
    labels = {}
    for one in rounds:
        for name in _RETURNED:
            if not (one.selection / name).is_file():
                continue
            manifest = Manifest.read(one.selection / name)
            for index, row in enumerate(manifest):
                if row.judges:
                    label = os.path.abspath(manifest.path(index, "label"))
                    labels[image_path(manifest, row)] = (label, row.label_space)
    return labels


def _request(one: Round, missing: list[str]) -> str:
    """Which frames to label, and how to go on."""
    chosen, back = one.selection / "selection.parquet", one.selection / _RETURNED[0]
    first = ", ".join(Path(image).name for image in missing[:3]) + (", ..." if len(missing) > 3 else "")
    return (
        f"round {one.number} waits for labels of {len(missing)} frames ({first}), which {chosen} lists and "
        f"{one.selection / 'selection.html'} shows: label them (vergence labels export {chosen} --to cvat --out "
        f"to_label.zip), bring them back (vergence labels import FROM_CVAT --data {chosen} --out {back}), and go on "
        f"with vergence train --resume {one.run_folder}."
    )


def noisy_labels(one: Round, data: Manifest, device: str) -> bool:
    """Write classes and confidence of all frames by the round's segmentation; whether there was anything to do."""
    weights, sidecar = find_checkpoint(one.segmentation).weights, one.labels / SIDECAR
    stale = False
    if sidecar.is_file():
        stale = sidecar.stat().st_mtime_ns < weights.stat().st_mtime_ns
        if not stale and read_object(sidecar).get("frames") == len(data):
            return False
    _log.info("round %d: writing noisy labels of %d frames", one.number, len(data))
    written = Written(depth=False, colour=False, overlay=False, confidence=True, video=False, overwrite=stale)
    predict(one.segmentation, _rebased(data), one.labels, written, device=device)
    return True


def _rebased(data: Manifest) -> Manifest:
    """The frames with paths below their common folder, so that label files are named as images are."""
    paths = [Path(image_path(data, row)) for row in data]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    rows = [
        FrameRow(
            path.relative_to(root).as_posix(), row.sequence, row.position, camera=row.camera, width=row.width,
            height=row.height, split=row.split,
        )
        for path, row in zip(paths, data, strict=True)
    ]  # fmt: skip
    return Manifest(rows, root, data.name)


def carried_labels(one: Round, how: CarryConfig, out: Path, depth: Path, device: str) -> Path:
    """Write the round's manifest with carried labels, or take what an earlier call has written.

    Args:
        depth: run folder whose depth and motion help.

    Raises:
        InputError: no label has a neighbour in time, or there is no optical flow (OpenCV).
    """
    record = out.with_suffix("") / RECORD
    whole = out.is_file() and record.is_file() and record.stat().st_mtime_ns >= one.data.stat().st_mtime_ns
    if whole:
        return out
    _log.info("round %d: carrying labels over %g seconds", one.number, how.seconds)
    data = Manifest.read(one.data)
    propagate(data, out, Propagation("auto", how.seconds, how.keep), _geometry(depth, data, device))
    return out


def _geometry(depth: Path, data: Manifest, device: str) -> LoadedRun | None:
    """The depth run, where it knows motion and frames are straight; else flow alone carries."""
    if any(row.lens for row in data.rows):
        return None
    run = load_run(depth, device)
    return run if getattr(run.method, "pose", None) is not None else None


def carried_with(out: Path) -> dict[str, float] | None:
    """Settings that a manifest was carried with; None where there is none."""
    record = out.with_suffix("") / RECORD
    if not record.is_file():
        return None
    return {key: float(value) for key, value in read_json(record).items() if key in ("seconds", "keep")}
