"""Mapillary Vistas 1.2: single frames of many cameras with 65 classes."""

from pathlib import Path

from vergence.data.frame_row import FrameRow
from vergence.data.label_files import read_label_space
from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError

PARTS = {"training": "train", "validation": "val", "testing": "test"}
_CONFIGS = ("config_v1.2.json", "config.json")
_LABELS = ("v1.2/labels", "labels")


def mapillary(root: Path | str, parts: tuple[str, ...] = ("training", "validation")) -> Manifest:
    """``training/images`` with ``training/labels`` (or ``v1.2/labels``), and ``validation`` and ``testing`` alike.

    Labels are class ids (palette PNG) or painted in the colours of ``config.json``. Where ``config.json`` (or
    ``config_v1.2.json``) has other classes than Mapillary Vistas 1.2, they are taken from it. Each frame is a sequence
    of its own; intrinsics are unknown.

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
    config = next((root / name for name in _CONFIGS if (root / name).is_file()), None)
    space = read_label_space(config).text() if config is not None else "mapillary_v1.2"
    rows: list[FrameRow] = []
    for part in parts:
        images = root / part / "images"
        labels = next((root / part / place for place in _LABELS if (root / part / place).is_dir()), None)
        found = [_row(images, name, part) for name in list_files(images)]
        rows += found if labels is None else pair_labels(found, images, labels, root, space)
    if not rows:
        raise InputError(f"{root} holds no Mapillary Vistas; expected training/images/ and training/labels/.")
    return finish(rows, root, root.name, split=False)


def _row(images: Path, name: str, part: str) -> FrameRow:
    width, height = image_size(images / name)
    path = f"{part}/images/{name}"
    return FrameRow(path, Path(name).stem, 0, PARTS[part], camera=f"{width}x{height}", width=width, height=height)
