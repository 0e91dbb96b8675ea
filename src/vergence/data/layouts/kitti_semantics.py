"""KITTI's semantic segmentation benchmark: 200 labelled stills in the ids of Cityscapes."""

import dataclasses
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder, stem_number
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.layouts.splits import assign_splits
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError


def kitti_semantics(root: Path | str, split: bool = True, testing: bool = False) -> Manifest:
    """``training/image_2/NNNNNN_10.png`` with ``training/semantic/NNNNNN_10.png``; each frame a sequence of its own.

    The benchmark publishes no intrinsics and no split.

    Args:
        root: the folder, or its ``training``.
        split: hold the last tenth of the frames back as val; else all are train.
        testing: also the frames of ``testing/image_2``, which have no labels, as split "test".

    Raises:
        InputError: no images, a label without image.
    """
    root = require_folder(root)
    base = root / "training" if (root / "training" / "image_2").is_dir() else root
    rows = _rows(root, base / "image_2")
    if not rows:
        raise InputError(f"{root} holds no KITTI semantics; expected training/image_2/ and training/semantic/.")
    if (base / "semantic").is_dir():
        rows = pair_labels(rows, base / "image_2", base / "semantic", root, "cityscapes_ids")
    rows = assign_splits(rows, root.name) if split else [dataclasses.replace(row, split="train") for row in rows]
    if testing:
        test_rows = _rows(root, root / "testing" / "image_2")
        rows += [dataclasses.replace(row, split="test", sequence=f"testing/{row.sequence}") for row in test_rows]
    return finish(rows, root, root.name, split=False)


def _rows(root: Path, folder: Path) -> list[FrameRow]:
    rows = []
    for name in list_files(folder):
        width, height = image_size(folder / name)
        path, stem = (folder / name).relative_to(root).as_posix(), Path(name).stem
        rows.append(FrameRow(path, stem, stem_number(stem) or 0, camera="left", width=width, height=height))
    return rows
