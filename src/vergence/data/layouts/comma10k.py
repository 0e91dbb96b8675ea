"""comma10k: single frames of dash cameras with five hand-made classes, painted in colours."""

import dataclasses
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder
from vergence.data.layouts.intrinsics import UNKNOWN, normalised
from vergence.data.layouts.label_folders import pair_labels
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.geometry.camera import Camera

CAMERA = Camera(910.0, 910.0, 582.0, 437.0, 1164, 874)
"""The first comma device, whose frames are 1164 x 874."""


def comma10k(root: Path | str, intrinsics: str = "auto") -> Manifest:
    """``imgs/`` and ``masks/`` with equal names. Each frame is a sequence of its own. Names that end in 9 are val.

    Masks are colours of "comma10k": road, lane markings, undrivable, movable, my car.

    Args:
        root: the folder.
        intrinsics: "auto": focal length 910 px for frames of 1164 x 874, unknown for others; "unknown": none.

    Raises:
        InputError: no images, a mask without image, an unknown option value.
    """
    root = require_folder(root)
    if intrinsics not in ("auto", "unknown"):
        raise InputError(f"comma10k: intrinsics is {intrinsics!r}; use auto or unknown.")
    names = list_files(root / "imgs")
    if not names:
        raise InputError(f"{root} holds no comma10k; expected imgs/ and masks/.")
    known = normalised(CAMERA, "the first comma device")
    rows = []
    for name in names:
        width, height = image_size(root / "imgs" / name)
        stem = Path(name).stem
        row = FrameRow(f"imgs/{name}", stem, 0, "val" if stem.endswith("9") else "train", width=width, height=height)
        suits = intrinsics == "auto" and (width, height) == (CAMERA.width, CAMERA.height)
        rows.append(dataclasses.replace((known if suits else UNKNOWN).onto(row), camera=f"{width}x{height}"))
    if (root / "masks").is_dir():
        rows = pair_labels(rows, root / "imgs", root / "masks", root, "comma10k")
    return finish(rows, root, root.name, split=False)
