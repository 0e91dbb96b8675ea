"""GTA5 (Playing for Data): 24966 rendered stills with labels in the ids and colours of Cityscapes."""

from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import require_folder
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.layouts.stills import still_rows, with_column, without_odd_labels
from vergence.data.manifest import Manifest
from vergence.errors import InputError


def gta5(root: Path | str, val: int = 0) -> Manifest:
    """``images/NNNNN.png``, ``labels/NNNNN.png`` and, where it exists, ``disparity/NNNNN.png``.

    Labels are palette or grey pictures of ids, or painted in the colours. Disparity is what a depth network says: 16
    bits of its sigmoid output, the column ``estimate``. Frames whose label has another size (the data set has a few)
    are left out. Intrinsics are unknown.

    Args:
        root: the folder.
        val: the last so many frames are split "val" (500 in the journal version of Three Ways); all others are train.

    Raises:
        InputError: no images, a label without image.
    """
    root = require_folder(root)
    rows = still_rows(root, "images", val)
    if not rows:
        raise InputError(f"{root} holds no GTA5; expected images/ and labels/.")
    if (root / "labels").is_dir():
        rows = pair_labels(rows, root / "images", root / "labels", root, "gta5", odd=True)
    rows = with_column(without_odd_labels(rows, root), root, "disparity", "estimate")
    return finish(rows, root, root.name, split=False)
