"""The label port: class labels, perhaps wrong ones, of every frame, from whatever gives them, once and for all.

Which ports there are says :mod:`vergence.runs.label_port_classes`. A run labels every frame by itself, labelled ones
too: only "truth" shows a method labels that people drew.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PSEUDO_COLUMNS, FrameRow
from vergence.errors import InputError
from vergence.inference.label_port_cache import Found, Wanted, corrupted_labels, predicted_labels
from vergence.progress import Progress
from vergence.runs.folder import is_run
from vergence.runs.label_port_classes import PREDICTED, folder_space, label_folder
from vergence.runs.port_files import NamedFiles
from vergence.runs.processes import ALONE, Processes
from vergence.settings.label_corruption import LabelCorruption

_log = logging.getLogger("vergence")


def with_pseudo_labels(
    manifest: Manifest,
    port: str,
    size: tuple[int, int],
    device: str = "cpu",
    corruption: LabelCorruption | None = None,
    progress: Progress | None = None,
    offsets: Sequence[int | str] | None = None,
    processes: Processes = ALONE,
) -> Manifest:
    """The manifest with ``pseudo_label``, ``confidence`` and their ``stereo_`` columns filled for its samples.

    What a run predicts and what is corrupted is kept in the cache folder, one or two pictures of 8 bits a frame, and
    made again only for a changed image, run or setting; an interrupted call goes on where it stopped. Stereo partners
    and neighbours of samples stay without labels where the port has none (a run always has); a sample must have some.

    Args:
        port: see the module.
        size: (H, W), the working size: labels that are made here have the pictures' aspect, just cover it, and are
            never larger than the picture.
        corruption: makes the port's labels worse.
        progress: called with (done, total) while a run predicts.
        offsets: whose neighbours need labels too, "s" meaning stereo partners; default all rows and partners.
        processes: of a run; all of them call this, and each makes its share.

    Raises:
        InputError: the port cannot be had, predicts no classes, or lacks a sample; a label that is to be corrupted has
            another aspect than its picture.
    """
    wanted = _wanted(manifest, offsets)
    if port == "truth":
        _log.warning("pseudo-labels are the data's own labels (label port truth): an oracle, to compare with")
        if any(one.said.lens for one in wanted):
            raise InputError(
                f"{manifest.name} has frames of a lens that bends, and its labels are of the stored pictures; label "
                "port truth needs undistorted images and labels."
            )
        labels = _of_rows(manifest, wanted, "label")
    elif port == "manifest":
        labels = _of_rows(manifest, wanted, "pseudo_label")
    elif is_run(label_folder(port)):
        labels = predicted_labels(label_folder(port), wanted, size, device, progress, processes)
    else:
        labels = _of_folder(label_folder(port), wanted)
    _check_complete(manifest, wanted, labels, port)
    if corruption is not None and corruption.active:
        labels = corrupted_labels(labels, size, corruption, processes)
    return _filled(manifest, labels)


def _wanted(manifest: Manifest, offsets: Sequence[int | str] | None) -> list[Wanted]:
    """Each picture once: the samples', and those of the sources that are asked for."""
    rows = list(range(len(manifest)))
    neighbours: set[int | None] = {
        manifest.neighbour(row, offset) for row in rows for offset in offsets or () if isinstance(offset, int)
    }
    extra = range(len(manifest), len(manifest.rows))
    rows += [row for row in extra if offsets is None or row in neighbours]
    partners = rows if offsets is None else rows[: len(manifest)] if "s" in offsets else []
    wanted = [Wanted(manifest.path(row), row, False, _key(manifest[row]), manifest[row]) for row in rows]
    for row in partners:
        if manifest[row].stereo:
            wanted.append(
                Wanted(manifest.path(row, "stereo"), row, True, _key(manifest[row]) + "/stereo", manifest[row])
            )
    return wanted


def _key(row: FrameRow) -> str:
    return f"{row.sequence}/{row.camera}/{row.position}"


def _check_complete(manifest: Manifest, wanted: list[Wanted], labels: dict[Wanted, Found], port: str) -> None:
    """InputError where a sample has no label; neighbours without one are said in the log."""
    missing = [one for one in wanted if one not in labels]
    samples = [one for one in missing if one.row < len(manifest) and not one.stereo]
    if samples:
        raise InputError(
            f"the label port {port} has no label for {samples[0].image} and {len(samples) - 1} other samples; label "
            "all of them, for example by vergence predict --labels, or name another port."
        )
    if missing:
        _log.info("%d pictures beside the samples have no pseudo-label: their pixels are ignored", len(missing))


def _filled(manifest: Manifest, pseudo_labels: dict[Wanted, Found]) -> Manifest:
    """The manifest with all five columns from what was found, empty where nothing was."""
    columns: dict[str, dict[str, Any]] = {}
    for one, labels in pseudo_labels.items():
        stereo = "stereo_" if one.stereo else ""
        columns.setdefault(_key(manifest[one.row]), {}).update({
            f"{stereo}pseudo_label": str(labels.label),
            f"{stereo}confidence": str(labels.confidence or ""),
            "pseudo_label_space": labels.space,
        })  # fmt: skip
    empty: dict[str, Any] = dict.fromkeys(PSEUDO_COLUMNS, "")
    return manifest.changed(lambda row: replace(row, **(empty | columns.get(_key(row), {}))))


# -- ports -------------------------------------------------------------------------------------------------------------


def _of_rows(manifest: Manifest, wanted: list[Wanted], column: str) -> dict[Wanted, Found]:
    """Labels that a manifest's rows name, found by the picture; a partner's perhaps in its own column."""
    labels: dict[tuple[str, bool], Found] = {}
    for index, row in enumerate(manifest.rows):
        for stereo, image in ((False, row.image), (True, row.stereo)):
            name = f"stereo_{column}" if stereo else column
            if not image or not getattr(row, name, ""):
                continue
            sure = ("stereo_confidence" if stereo else "confidence") if column == "pseudo_label" else ""
            confidence = manifest.path(index, sure) if sure and getattr(row, sure) else None
            label = Found(manifest.path(index, name), confidence, getattr(row, f"{column}_space"))
            labels.setdefault((os.path.normpath(manifest.root / image), stereo), label)
    found_of = {}
    for one in wanted:
        image = os.path.normpath(one.image)
        if here := labels.get((image, one.stereo)) or labels.get((image, False)):
            found_of[one] = here
    return found_of


def _of_folder(folder: Path, wanted: list[Wanted]) -> dict[Wanted, Found]:
    """Labels of a folder: by its manifest, which knows the pictures, else by names that end like the pictures'."""
    if (folder / PREDICTED).is_file():
        labels = _of_rows(Manifest.read(folder / PREDICTED), wanted, "pseudo_label")
        if labels:
            return labels
    space = folder_space(folder)
    files = NamedFiles(folder / "labels" if (folder / "labels").is_dir() else folder, (".png",))
    if not files.files:
        raise InputError(f"{folder} holds no labels (.png); give the folder that vergence predict --labels wrote.")
    labels = {}
    taken: set[tuple[int, str]] = set()
    for one in wanted:
        name = files.ending_like(one.image)
        if name is None or (one.stereo and (one.row, name) in taken):  # of two cameras' equal names it is the first's
            continue
        taken.add((one.row, name))
        confidence = folder / "confidence" / f"{name}.png"
        labels[one] = Found(files.files[name], confidence if confidence.is_file() else None, space)
    return labels
