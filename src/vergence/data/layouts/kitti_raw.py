"""KITTI raw data: drives by day, split lists of `drive frame side` lines, calibration per day, Velodyne depth."""

import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from vergence.data.imaging.images import write_sparse_depth
from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, list_folders, require_folder, stem_number
from vergence.data.layouts.intrinsics import Intrinsics
from vergence.data.layouts.kitti_calibration import (
    PUBLISHED_BASELINE,
    matrix,
    published,
    read_matrices,
    read_raw_calibration,
)
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_lines
from vergence.errors import InputError
from vergence.geometry.lidar import project_lidar

FPS = 10.0
SIDES = {"l": 2, "r": 3}
"""Side of a split list -> colour camera; the partner is the other one."""
_log = logging.getLogger("vergence")
Lists = Mapping[str, Path | str] | Sequence[Path | str] | Path | str


@dataclass(frozen=True)
class ListedFrame:
    """A line of a split list: ``2011_09_26/2011_09_26_drive_0001_sync 5 l``."""

    drive: str
    frame: int
    side: str


def kitti_raw(
    root: Path | str,
    lists: Lists | None = None,
    intrinsics: str = "calibration",
    sides: str = "l",
    split: bool = True,
    depth: str = "none",
    depth_folder: Path | str | None = None,
    depth_splits: Sequence[str] = ("val", "test"),
    velodyne_depth: str = "forward",
    skip_missing: bool = False,
) -> Manifest:
    """KITTI raw as unpacked: ``DAY/DRIVE_sync/image_02/data/0000000000.jpg`` (or .png), ``DAY/calib_*.txt``.

    Args:
        root: the folder of the days.
        lists: split lists (Eigen, Zhou, ...), one line a frame: `drive frame side`. A mapping split -> file, or files
            whose names contain train, val or test. The other frames of the listed drives become rows without a split:
            they are neighbours. Without lists every drive is used and split by whole drives.
        intrinsics: "calibration" (of each day) or "published" (0.58, 1.92, 0.5, 0.5 and 0.54 m for all).
        sides: cameras used where there are no lists: "l", "r" or "lr".
        split: give drives a split where there are no lists.
        depth: "none", "velodyne" (sweeps projected into the image and written once) or "improved" (the PNGs of KITTI's
            depth benchmark, ``SPLIT/DRIVE_sync/proj_depth/groundtruth/image_02``).
        depth_folder: where the Velodyne depth is written (default ``root/velodyne_depth``) or the improved depth lies
            (default ``root/data_depth_annotated``).
        depth_splits: splits that get depth; without lists all frames do.
        velodyne_depth: "forward" (the published eigen protocol: the scanner's forward axis) or "camera" (z).
        skip_missing: leave out listed frames that are absent instead of refusing them.

    Raises:
        InputError: a list names absent frames or has a bad line, calibration missing, unknown option values.
    """
    root = require_folder(root)
    _check_options(intrinsics, sides, depth)
    listed = _read_lists(lists) if lists else {}
    cameras = sorted({(one.drive, one.side) for one in listed}) if listed else _all_cameras(root, sides)
    rows: list[FrameRow] = []
    for drive, side in cameras:
        for row in _camera_rows(root, drive, side, intrinsics):
            key = ListedFrame(drive, row.position, side)
            rows.append(dataclasses.replace(row, split=listed[key]) if key in listed else row)
    if listed:
        _check_found(rows, listed, root, skip_missing)
    if depth == "velodyne":
        folder = Path(depth_folder) if depth_folder else root / "velodyne_depth"
        rows = [_with(row, _velodyne(root, row, folder, velodyne_depth, depth_splits, bool(listed))) for row in rows]
    if depth == "improved":
        rows = _with_improved(rows, Path(depth_folder) if depth_folder else root / "data_depth_annotated")
    return finish(rows, root, root.name, split and not listed)


def _check_options(intrinsics: str, sides: str, depth: str) -> None:
    for name, value, known in (
        ("intrinsics", intrinsics, ("calibration", "published")),
        ("sides", sides, ("l", "r", "lr")),
        ("depth", depth, ("none", "velodyne", "improved")),
    ):
        if value not in known:
            raise InputError(f"kitti_raw: {name} is {value!r}; use one of {', '.join(known)}.")


def _read_lists(lists: Lists) -> dict[ListedFrame, str]:
    if isinstance(lists, str | Path):
        lists = [lists]
    named = lists if isinstance(lists, Mapping) else {_split_name(Path(path)): path for path in lists}
    listed: dict[ListedFrame, str] = {}
    for split, path in named.items():
        for frame in read_list(Path(path)):
            if listed.setdefault(frame, split) != split:
                raise InputError(
                    f"{path} names {frame.drive} {frame.frame} {frame.side}, which is also in the list of "
                    f"{listed[frame]!r}; remove it from one of them."
                )
    return listed


def _split_name(path: Path) -> str:
    splits = [name for name in ("train", "val", "test") if name in path.stem.lower()]
    return splits[0] if splits else path.stem


def read_list(path: Path) -> Iterator[ListedFrame]:
    """Frames of a split list; InputError for a missing or empty file or a line that is not `drive frame side`."""
    lines = read_lines(path, "give a text file of `drive frame side` lines")
    if not any(line.strip() for line in lines):
        raise InputError(f"{path} is empty; it must hold one `drive frame side` line for each frame.")
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdecimal() or words[2] not in SIDES:
            raise InputError(
                f"{path}, line {number} is {line.strip()!r}; expected `drive frame side` such as "
                "`2011_09_26/2011_09_26_drive_0001_sync 5 l`."
            )
        yield ListedFrame(words[0].strip("/"), int(words[1]), words[2])


def _all_cameras(root: Path, sides: str) -> list[tuple[str, str]]:
    days = [name for name in list_folders(root) if re.fullmatch(r"\d{4}_\d\d_\d\d", name)]
    drives = [f"{day}/{drive}" for day in days for drive in list_folders(root / day) if "_drive_" in drive]
    if not drives:
        raise InputError(
            f"{root} holds no KITTI drives; expected folders such as 2011_09_26/2011_09_26_drive_0001_sync."
        )
    return [(drive, side) for drive in drives for side in sides]


def _camera_rows(root: Path, drive: str, side: str, intrinsics: str) -> list[FrameRow]:
    """All frames of one camera of one drive, paths relative to ``root``; [] where its folder is missing or empty."""
    own, other = (f"{drive}/image_{number:02d}/data" for number in (SIDES[side], 5 - SIDES[side]))
    names = list_files(root / own)
    if not names:
        return []
    width, height = image_size(root / own / names[0])
    camera = _intrinsics(root / drive.split("/")[0], side, (width, height), intrinsics)
    partners = {stem_number(name): f"{other}/{name}" for name in list_files(root / other)}
    base = camera.onto(FrameRow("", drive, 0, camera=f"{drive.split('/')[0]}/{side}", width=width, height=height))
    base = dataclasses.replace(base, fps=FPS)
    rows = []
    for name in names:
        number = stem_number(name)
        if number is None:
            continue
        row = dataclasses.replace(base, image=f"{own}/{name}", position=number)
        if number in partners:
            row = dataclasses.replace(
                row, stereo=partners[number], baseline=camera.baseline, stereo_cx=camera.stereo_cx
            )
        rows.append(row)
    return rows


def _intrinsics(day: Path, side: str, size: tuple[int, int], choice: str) -> Intrinsics:
    if choice == "published":
        return published(PUBLISHED_BASELINE if side == "l" else -PUBLISHED_BASELINE)
    return read_raw_calibration(day, size).intrinsics(SIDES[side], 5 - SIDES[side])


def _check_found(rows: Sequence[FrameRow], listed: Mapping[ListedFrame, str], root: Path, skip: bool) -> None:
    present = {ListedFrame(row.sequence, row.position, row.camera[-1]) for row in rows}
    missing = [one for one in listed if one not in present]
    if not missing:
        return
    first = missing[0]
    text = (
        f"{len(missing)} of {len(listed)} listed frames are not in {root}, the first is "
        f"{first.drive} {first.frame} {first.side}"
    )
    if not skip or len(missing) == len(listed):
        raise InputError(f"{text}; unpack these drives, or leave them out with skip_missing=true.")
    _log.warning("%s; they are left out", text)


def _with(row: FrameRow, depth: str) -> FrameRow:
    return dataclasses.replace(row, depth=depth) if depth else row


def _velodyne(root: Path, row: FrameRow, folder: Path, form: str, splits: Sequence[str], listed: bool) -> str:
    """Depth file of a row, written if it is not there yet; "" where the row needs none or has no sweep."""
    if listed and row.split not in splits:
        return ""
    sweep = root / row.sequence / "velodyne_points" / "data" / f"{Path(row.image).stem}.bin"
    target = folder / form / row.sequence / f"image_{SIDES[row.camera[-1]]:02d}" / f"{Path(row.image).stem}.npz"
    if not target.is_file() and sweep.is_file():
        day = root / row.sequence.split("/")[0]
        write_velodyne_depth(sweep, day, SIDES[row.camera[-1]], (row.width, row.height), form, target)
    return str(target.absolute()) if target.is_file() else ""


def _with_improved(rows: Sequence[FrameRow], folder: Path) -> list[FrameRow]:
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; unpack KITTI's annotated depth maps there or give depth_folder.")
    drives = {drive: folder / part / drive for part in ("train", "val") for drive in list_folders(folder / part)}
    known: dict[Path, set[str]] = {}
    result = []
    for row in rows:
        drive = drives.get(row.sequence.split("/")[-1])
        truth_folder = drive / "proj_depth" / "groundtruth" / f"image_{SIDES[row.camera[-1]]:02d}" if drive else None
        if truth_folder is not None:
            names = known.setdefault(truth_folder, set(list_files(truth_folder)))
            name = f"{Path(row.image).stem}.png"
            row = _with(row, str((truth_folder / name).absolute()) if name in names else "")
        result.append(row)
    return result


def write_velodyne_depth(sweep: Path, day: Path, camera: int, size: tuple[int, int], form: str, out: Path) -> Path:
    """Project a sweep (float32 x, y, z, reflectance) into a rectified camera and write it as sparse metres.

    Args:
        sweep: ``velodyne_points/data/NNNNNNNNNN.bin``.
        day: folder with ``calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt``.
        camera: number of the rectified camera.
        size: (width, height) of its images.
        form: "forward" (the scanner's forward axis, the published protocol) or "camera" (z of the camera).
        out: the ``.npz`` file.

    Raises:
        InputError: a file is missing, cut off or lacks a matrix.
    """
    if form not in ("forward", "camera"):
        raise InputError(f"kitti_raw: velodyne_depth is {form!r}; use forward or camera.")
    points = np.fromfile(sweep, dtype=np.float32)
    if points.size == 0 or points.size % 4:
        raise InputError(f"{sweep} is cut off ({points.size * 4} bytes); unpack it again.")
    cameras, scanner = day / "calib_cam_to_cam.txt", day / "calib_velo_to_cam.txt"
    camera_values, scanner_values = read_matrices(cameras), read_matrices(scanner)
    depth = project_lidar(
        points.reshape(-1, 4),
        matrix(camera_values, f"P_rect_{camera:02d}", (3, 4), cameras),
        matrix(camera_values, "R_rect_00", (3, 3), cameras),
        matrix(scanner_values, "R", (3, 3), scanner),
        matrix(scanner_values, "T", (3,), scanner),
        size[::-1],
        depth=cast(Literal["forward", "camera"], form),
    )
    return write_sparse_depth(out, depth)
