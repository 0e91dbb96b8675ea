"""The frames of a prediction as a manifest with their predicted labels: what training takes noisy labels from."""

import math
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import PSEUDO_COLUMNS, FrameRow
from vergence.errors import InputError
from vergence.inference.class_files import ClassFiles
from vergence.inference.frame_streams import ManifestStream
from vergence.runs.label_port_classes import PREDICTED

Labels = dict[str, tuple[str, str, str]]
"""Label file, file of confidence or "", and label space, by the image's absolute path."""
_PARTNER = " (partner)"
"""Behind a camera's name: that of its stereo partner."""


def with_partners(stream: ManifestStream) -> ManifestStream:
    """The frames and, after them, the images of their stereo partners, each once; InputError where there are none."""
    manifest = stream.manifest
    rows = [manifest[index] for index in stream.indices]
    if not any(row.stereo for row in rows):
        raise InputError(f"{manifest.name} has no stereo partners to predict; leave --partners out.")
    seen, partners = {_normal_path(manifest, row.image) for row in rows}, []
    for row in rows:
        if row.stereo and _normal_path(manifest, row.stereo) not in seen:
            seen.add(_normal_path(manifest, row.stereo))
            cx = row.cx if math.isnan(row.stereo_cx) else row.stereo_cx
            partners.append(
                FrameRow(row.stereo, row.sequence, row.position, row.split, row.camera + _PARTNER, row.fx, row.fy, cx,
                         row.cy, row.width, row.height, fps=row.fps)
            )  # fmt: skip
    return ManifestStream(Manifest([*rows, *partners], manifest.root, manifest.name))


def write_predicted(
    out: Path,
    data: Manifest,
    stream: ManifestStream,
    names: Collection[str],
    files: ClassFiles,
    still_of: Callable[[Path, Path], bool] = lambda label, image: True,
) -> Path:
    """Write all rows of the data as ``manifest.parquet`` in ``out``, with the labels that were predicted.

    Rows that an earlier call predicted into the same folder keep their labels as long as the files are there, and are
    of the same weights, settings and pictures.

    Args:
        out: the folder of predictions.
        data: the input, whose rows are written, other splits among them.
        stream: the frames that were predicted, perhaps with partners.
        names: of the frames whose files exist.
        files: which files were written.
        still_of: whether a label file is what this prediction would say of an image.
    """
    labels = _earlier(Manifest.read(out / PREDICTED), still_of) if (out / PREDICTED).is_file() else {}
    for index, name in zip(stream.indices, stream.names, strict=True):
        if name in names:
            paths = replace(files, confidence=True).paths(out.absolute(), name)
            sure = str(paths["confidence"]) if paths["confidence"].is_file() else ""
            entry = (str(paths["labels"]), sure, files.space.text())
            labels[_normal_path(stream.manifest, stream.manifest[index].image)] = entry
    rows = [_filled(data, row, labels) for row in data.rows]
    return Manifest(rows, data.root, data.name).write(out / PREDICTED)


def _filled(data: Manifest, row: FrameRow, labels: Labels) -> FrameRow:
    columns: dict[str, Any] = dict.fromkeys(PSEUDO_COLUMNS, "")
    if label_columns := labels.get(_normal_path(data, row.image)):
        columns["pseudo_label"], columns["confidence"], columns["pseudo_label_space"] = label_columns
    if row.stereo and (partner := labels.get(_normal_path(data, row.stereo))):
        columns["stereo_pseudo_label"], columns["stereo_confidence"], columns["pseudo_label_space"] = partner
    return replace(row, **columns)


def _earlier(manifest: Manifest, still_of: Callable[[Path, Path], bool]) -> Labels:
    """Labels that lie there, by image."""
    earlier = {}
    for row in manifest:
        for image, label, confidence in (
            (row.image, row.pseudo_label, row.confidence),
            (row.stereo, row.stereo_pseudo_label, row.stereo_confidence),
        ):
            if image and label and still_of(Path(_normal_path(manifest, label)), Path(_normal_path(manifest, image))):
                sure = _normal_path(manifest, confidence) if confidence else ""
                earlier[_normal_path(manifest, image)] = (_normal_path(manifest, label), sure, row.pseudo_label_space)
    return earlier


def _normal_path(manifest: Manifest, path: str) -> str:
    return os.path.normpath(manifest.root / path)
