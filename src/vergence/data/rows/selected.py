"""Frames that ``vergence select`` gave to be labelled, and the video that they are a part of."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from vergence.data.buckets.remote import given, local
from vergence.data.buckets.remote_store import Absent
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow

_log = logging.getLogger("vergence")
SELECTION, FRAMES = "selection.parquet", "frames.parquet"


def frames_of_selection(path: Path | str) -> Manifest | None:
    """All frames that a selection was made from, where ``path`` is a selection's list of frames to label.

    A model is trained on the labelled frames and on all others, so what comes back belongs into the whole.
    """
    if Path(path).name != SELECTION:
        return None
    beside = given(path).with_name(FRAMES)
    try:
        whole = local(beside)
    except Absent:
        return None
    if not whole.is_file():
        return None
    _log.info("%s: the frames that were not chosen are taken from %s", path, whole)
    return Manifest.read(whole)


def joined(part: Manifest, whole: Manifest) -> Manifest:
    """``whole`` with the labels of ``part``; rows are the same where their images are."""
    labels = {
        image_path(part, row): (str(part.path(index, "label")), row.label_space)
        for index, row in enumerate(part)
        if row.judges
    }

    def change(row: FrameRow) -> FrameRow:
        label = labels.get(image_path(whole, row))
        return row if label is None else with_label(row, *label)

    return whole.changed(change)


def with_label(row: FrameRow, label: str, label_space: str) -> FrameRow:
    """A frame with a label made by hand, whatever label was carried to it before."""
    return replace(row, label=label, label_space=label_space, label_origin="", label_confidence="")


def image_path(manifest: Manifest, row: FrameRow) -> str:
    """Where the image of a frame lies, the same in all manifests that have it."""
    return os.path.abspath(manifest.root / row.image)
