"""Mapillary Vistas 1.2 and 2.0: single frames of many cameras with 65 or 124 classes."""

import logging
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.manifest import Manifest
from vergence.data.masks.label_files import read_label_space
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

PARTS = {"training": "train", "validation": "val", "testing": "test"}
_CONFIGS = {
    "v1.2/labels": ("config_v1.2.json", "config.json"),
    "labels": ("config.json", "config_v1.2.json"),
    "v2.0/labels": ("config_v2.0.json",),
}
"""Folder of labels -> what may say its classes; the first folder that is there is taken."""
_log = logging.getLogger("vergence")


def mapillary(root: Path | str, parts: tuple[str, ...] = ("training", "validation")) -> Manifest:
    """``training/images`` with ``training/labels`` (or ``v1.2/labels``), and ``validation`` and ``testing`` alike.

    Labels are class ids (palette PNG) or painted in the colours of ``config.json``. Where ``config.json`` (or
    ``config_v1.2.json``) has other classes than Mapillary Vistas 1.2, they are taken from it. Where only
    ``v2.0/labels`` is there, its labels are taken with the classes of ``config_v2.0.json``; without that file they are
    left out, and a line says so. Each frame is a sequence of its own; intrinsics are unknown.

    Args:
        root: the folder.
        parts: which of training, validation, testing; their splits are called train, val, test.

    Raises:
        InputError: no images, a label without image, a broken config.json, an unknown part.
    """
    root = require_folder(root)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"mapillary: part {unknown[0]!r} is unknown; use {', '.join(PARTS)}.")
    label_folder = next((name for name in _CONFIGS if any((root / part / name).is_dir() for part in PARTS)), "labels")
    space = _space(root, label_folder)
    rows: list[FrameRow] = []
    for part in parts:
        images = root / part / "images"
        labels = root / part / label_folder
        listed = [_row(images, name, part) for name in list_files(images)]
        rows += listed if not space or not labels.is_dir() else pair_labels(listed, images, labels, root, space)
    if not rows:
        raise InputError(f"{root} holds no Mapillary Vistas; expected training/images/ and training/labels/.")
    return finish(rows, root, root.name, split=False)


def _space(root: Path, label_folder: str) -> str:
    """Label space of the labels in a folder ``label_folder`` of each part, as text; "" where nothing says it."""
    config = next((root / name for name in _CONFIGS[label_folder] if (root / name).is_file()), None)
    if config is not None:
        return read_label_space(config).text()
    if label_folder.startswith("v2.0"):
        _log.warning(
            "%s: %s is left out, because %s with its classes is missing", root, label_folder, _CONFIGS[label_folder][0]
        )
        return ""
    return "mapillary_v1.2"


def _row(images: Path, name: str, part: str) -> FrameRow:
    width, height = image_size(images / name)
    path = f"{part}/images/{name}"
    return FrameRow(path, Path(name).stem, 0, PARTS[part], camera=f"{width}x{height}", width=width, height=height)
