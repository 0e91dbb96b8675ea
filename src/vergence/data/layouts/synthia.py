"""SYNTHIA-RAND-CITYSCAPES: 9400 rendered stills with labels and depth."""

from pathlib import Path

from vergence.data.labels import label_space as find_space
from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import list_files, require_folder
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.layouts.stills import still_rows, with_column
from vergence.data.manifest import Manifest
from vergence.errors import InputError

LABELS = {"mapped": "synthia_mapped_to_cityscapes", "original": "GT/LABELS"}
"""The files that are redistributed, of one channel, and those of the data set: the first of several 16-bit channels."""
_DEPTH = ("Depth/Depth", "Depth")


def synthia(root: Path | str, labels: str = "auto", label_space: str = "synthia", val: int = 0) -> Manifest:
    """``RGB/``, labels in ``synthia_mapped_to_cityscapes/`` or ``GT/LABELS/``, and depth in centimetres in
    ``Depth/Depth/`` or ``Depth/``, all under equal names. Intrinsics are unknown: every frame has another camera.

    Args:
        root: the folder, RAND_CITYSCAPES.
        labels: "mapped", "original" or "auto" (mapped where they exist). They hold the same ids.
        label_space: what the ids mean: "synthia", or "cityscapes_ids" or "cityscapes19" for files of another making.
        val: the last so many frames are split "val"; all others are train.

    Raises:
        InputError: no images, the labels that are asked for are missing, a label without image, an unknown option.
    """
    root = require_folder(root)
    if labels not in ("auto", *LABELS):
        raise InputError(f"synthia: labels is {labels!r}; use auto, mapped or original.")
    space = find_space(label_space).text()
    rows = still_rows(root, "RGB", val)
    if not rows:
        raise InputError(f"{root} holds no SYNTHIA-RAND-CITYSCAPES; expected RGB/ and {LABELS['original']}/.")
    there = [kind for kind, path in LABELS.items() if list_files(root / path)]
    chosen = next(iter(there), "") if labels == "auto" else labels
    if labels != "auto" and labels not in there:
        raise InputError(f"{root / LABELS[labels]} holds no labels; unpack them, or take the labels {there or 'auto'}.")
    if chosen:
        rows = pair_labels(rows, root / "RGB", root / LABELS[chosen], root, space)
    depth = next((path for path in _DEPTH if list_files(root / path)), _DEPTH[0])
    rows = with_column(rows, root, depth, "depth", depth_unit="centimetres")
    return finish(rows, root, root.name, split=False)
