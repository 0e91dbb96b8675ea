"""KITTI odometry: ``sequences/NN`` with ``calib.txt`` and ``times.txt``, ``poses/NN.txt`` for 00 to 10."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.layouts.clips import finish, read_poses
from vergence.data.layouts.files import image_size, list_files, list_folders, require_folder, stem_number
from vergence.data.layouts.kitti_calibration import read_odometry_calibration
from vergence.data.layouts.splits import split_in_time
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_numbers
from vergence.errors import InputError

DEFAULT_SPLITS = {**{f"{n:02d}": "train" for n in range(9)}, "09": "test", "10": "test"}
"""The usual split: train on 00 to 08, test on 09 and 10; 11 to 21 have no poses and no split."""


def kitti_odometry(
    root: Path | str, camera: int | None = None, sequences: Sequence[str] | None = None, split: bool = True
) -> Manifest:
    """KITTI odometry as unpacked (``root`` or ``root/dataset`` holds ``sequences/`` and ``poses/``).

    Args:
        root: the folder.
        camera: 2 or 3 (colour), 0 or 1 (grey); default the first of 2 and 0 that a sequence has. The other camera of
            its pair is the stereo partner.
        sequences: names such as "00"; default all.
        split: 00 to 08 train (the last tenth of each, after a gap, val), 09 and 10 test. The poses of ``poses/NN.txt``
            are those of camera 0, which differ from those of camera 2 by a constant sideways step; they are moved to
            the camera in use.

    Raises:
        InputError: no sequences, a named one missing, no images, calibration or poses that do not fit.
    """
    root = require_folder(root)
    base = root / "dataset" if (root / "dataset" / "sequences").is_dir() else root
    names = list(sequences) if sequences else list_folders(base / "sequences")
    if not names:
        raise InputError(f"{root} holds no sequences/; expected sequences/00/image_2/000000.png and so on.")
    rows: list[FrameRow] = []
    for name in names:
        rows += _sequence_rows(root, base, name, camera)
    manifest = finish(rows, root, root.name, split=False)
    return Manifest(_split(rows), root, manifest.name) if split else manifest


def _sequence_rows(root: Path, base: Path, name: str, camera: int | None) -> list[FrameRow]:
    folder = base / "sequences" / name
    number = camera if camera is not None else next((n for n in (2, 0) if (folder / f"image_{n}").is_dir()), 2)
    if number not in range(4):
        raise InputError(f"kitti_odometry: camera is {number}; use 2 or 3 (colour), 0 or 1 (grey).")
    images = list_files(folder / f"image_{number}")
    if not images:
        raise InputError(
            f"{folder / f'image_{number}'} holds no images; unpack the sequence, or choose another camera."
        )
    width, height = image_size(folder / f"image_{number}" / images[0])
    partner = number ^ 1
    cameras = read_odometry_calibration(folder / "calib.txt", (width, height))
    camera_values = cameras.intrinsics(number, partner)
    path = folder.relative_to(root).as_posix()
    partners = {Path(n).stem: f"{path}/image_{partner}/{n}" for n in list_files(folder / f"image_{partner}")}
    first = camera_values.onto(FrameRow("", name, 0, camera=f"{name}/{number}", width=width, height=height))
    first = dataclasses.replace(first, fps=_rate(folder / "times.txt"))
    rows = []
    for count, image in enumerate(images):
        position = stem_number(image)
        row = dataclasses.replace(
            first, image=f"{path}/image_{number}/{image}", position=count if position is None else position
        )
        if Path(image).stem in partners:
            row = dataclasses.replace(
                row,
                stereo=partners[Path(image).stem],
                baseline=camera_values.baseline,
                stereo_cx=camera_values.stereo_cx,
            )
        rows.append(row)
    return _with_poses(rows, base / "poses" / f"{name}.txt", cameras.centre(number))


def _with_poses(rows: list[FrameRow], path: Path, centre: NDArray[np.float64]) -> list[FrameRow]:
    """Poses of camera 0 moved to a camera whose centre in camera 0's frame is ``centre``; they need all frames."""
    if not path.is_file():
        return rows
    table = read_poses(path, centre)
    if len(table) <= rows[-1].position:
        raise InputError(f"{path} has {len(table)} poses, but there is a frame {rows[-1].image}; unpack both again.")
    return [dataclasses.replace(row, pose=table[row.position]) for row in rows]


def _rate(path: Path) -> float:
    """Frames per second from ``times.txt``; KITTI's 10 where it is missing."""
    if not path.is_file():
        return 10.0
    steps = np.diff(read_numbers(path, 1, "write one number of seconds a line")[:, 0])
    step = float(np.median(steps)) if steps.size else 0.0
    if not step > 0:
        raise InputError(f"{path} must hold growing times in seconds, one a line; unpack it again or remove it.")
    return round(1 / step, 3)


def _split(rows: Sequence[FrameRow]) -> list[FrameRow]:
    train = [row for row in rows if DEFAULT_SPLITS.get(row.sequence) == "train"]
    parts = {(row.sequence, row.position): row.split for row in split_in_time(train)}
    return [
        dataclasses.replace(row, split=parts.get((row.sequence, row.position), DEFAULT_SPLITS.get(row.sequence, "")))
        for row in rows
    ]
