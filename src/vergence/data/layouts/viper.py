"""VIPER (Playing for Benchmarks): rendered videos with labels, for depth of the engine that GTA5 is from."""

import dataclasses
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, list_folders, require_folder
from vergence.data.layouts.intrinsics import UNKNOWN, normalised
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.geometry.camera import Camera

PARTS = ("train", "val", "test")
CAMERA = Camera(1.206285 * 1920, 2.144507 * 1080, 960.0, 540.0, 1920, 1080)
"""Published with the journal version of Three Ways (corda.md section 1.2)."""
_ASPECT = 0.01


def viper(root: Path | str, parts: tuple[str, ...] = ("train", "val"), step: int = 1) -> Manifest:
    """``train/img/SSS/SSS_NNNNN.jpg`` with ``train/cls/SSS/SSS_NNNNN.png``, and ``val`` and ``test`` alike.

    Each folder is a sequence; positions are the numbers of the frames. Labels are ids or painted in the colours.

    Args:
        root: the folder; or one with ``img`` and ``cls`` in it, which is train.
        parts: which of train, val, test; they become the splits.
        step: frames so many numbers apart are neighbours: 10 where only every tenth frame was unpacked.

    Raises:
        InputError: no images, a file name of another form, an unknown option value.
    """
    root = require_folder(root)
    unknown = [part for part in parts if part not in PARTS]
    if unknown or step < 1:
        raise InputError(f"viper: {f'part {unknown[0]!r}' if unknown else f'step {step}'} is impossible; "
                         f"use parts of {', '.join(PARTS)}, and a step of 1 or more.")  # fmt: skip
    folders = {"train": root} if (root / "img").is_dir() else {part: root / part for part in parts}
    rows: list[FrameRow] = []
    for part, folder in folders.items():
        for sequence in list_folders(folder / "img"):
            rows += _rows(root, folder, part, sequence, step)
    if not rows:
        raise InputError(f"{root} holds no VIPER; expected train/img/001/001_00001.jpg and so on.")
    return finish(rows, root, root.name, split=False)


def _rows(root: Path, folder: Path, part: str, sequence: str, step: int) -> list[FrameRow]:
    images, labels = folder / "img" / sequence, folder / "cls" / sequence
    label_of = {Path(name).stem: labels / name for name in list_files(labels)}
    names = list_files(images)
    width, height = image_size(images / names[0]) if names else (0, 0)
    known = bool(height) and abs(width / height - CAMERA.width / CAMERA.height) < _ASPECT
    camera = normalised(CAMERA, "the published intrinsics of VIPER") if known else UNKNOWN
    rows = []
    for name in names:
        stem = Path(name).stem
        number = stem.rpartition("_")[2]
        if not number.isdecimal():
            raise InputError(f"{images / name} is not named like 001_00001.jpg; remove or rename it.")
        position, phase = divmod(int(number), step)
        row = FrameRow(
            image=(images / name).relative_to(root).as_posix(),
            sequence=f"{part}/{sequence}" + (f"/{phase}-of-{step}" if step > 1 else ""),
            position=position,
            split=part,
            width=width,
            height=height,
        )
        if stem in label_of:
            path = label_of[stem].relative_to(root).as_posix()
            row = dataclasses.replace(row, label=path, label_space="viper")
        rows.append(camera.onto(row))
    return rows
