"""Clips of frames in folders: plain, with an ``intrinsics.json``, stereo, and collections of all three."""

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.layouts.files import VIDEO_SUFFIXES, image_size, list_files, list_folders, require_folder
from vergence.data.layouts.intrinsics import (
    Intrinsics,
    find_intrinsics,
    intrinsics_file,
    read_cam_txt,
    say_unread_cameras,
)
from vergence.data.layouts.label_folders import label_files, label_folder, split_by_folder, with_labels
from vergence.data.layouts.map_pairs import join_maps, listed_splits
from vergence.data.layouts.maps import Sorted, sort_pictures
from vergence.data.layouts.order import in_time
from vergence.data.layouts.splits import assign_splits
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow, format_pose
from vergence.data.structured import read_numbers
from vergence.errors import InputError

_log = logging.getLogger("vergence")


def folder(root: Path | str, split: bool = True, label_space: str = "", depth_scale: float = math.nan) -> Manifest:
    """A folder of images, or of sub-folders of images (each one a sequence), in natural order of their names.

    Where ``root`` holds no images itself but has a folder ``images/``, only that one is read. Intrinsics come from
    ``intrinsics.json`` or SC-Depth's ``cam.txt`` beside the images or in ``root``, else unknown. Labels come from
    ``labels/`` or ``masks/`` in ``root``, under the paths of their images, and mean what ``classes.json`` there says.

    Other folders of maps (``ann_dir``, ``SegmentationClass``, ``depth``, see
    :func:`vergence.data.layouts.maps.sort_pictures`) and maps between the images (``0001_mask.png``) are no frames:
    where their classes or unit are known they become labels and depth by name, else a line says that they are left out.

    Args:
        root: the folder.
        split: give the frames a split: that of lists (``train.txt``) or of sub-folders called train, val and test, else
            :func:`vergence.data.layouts.splits.assign_splits`.
        label_space: what the labels mean, where there is no ``classes.json``.
        depth_scale: value of the depth maps that is one metre, such as 1000 for millimetres; that of TUM RGB-D is
            known, 5000.

    Raises:
        InputError: no folder, no images in it, a single frame, an unreadable image, bad intrinsics or classes, a label
            without image, two pictures of one name.
    """
    root = require_folder(root)
    inner = not list_files(root) and (root / "images").is_dir()
    base = root / "images" if inner else root
    maps = _sorted(root)
    frames = {here: names for here, names in maps.frames.items() if here == base or base in here.parents}
    beside = sum(map(len, maps.frames.values())) - sum(map(len, frames.values()))
    if beside:
        _log.info("%s: only images/ is read, %d picture(s) beside it are not", root, beside)
    return _finish_folder(_folder_rows(root, base, frames), root, base, split, label_space, maps, depth_scale)


def folder_intrinsics(
    root: Path | str, split: bool = True, label_space: str = "", depth_scale: float = math.nan
) -> Manifest:
    """``images/`` (frames, or sub-folders of frames) with ``intrinsics.json`` beside it.

    ``poses.txt`` (a line of 12 numbers for each frame, camera to world) and ``lidar_depth/`` (16-bit PNG, metres * 256,
    names as the frames) are used where they exist. Splits and labels as in :func:`folder`.
    """
    root = require_folder(root)
    rows, maps = _images_rows(root), _sorted(root)
    maps.depth = [path for path in maps.depth if path.parent != root / "lidar_depth"]
    return _finish_folder(rows, root, root / "images", split, label_space, maps, depth_scale)


def _sorted(root: Path) -> Sorted:
    """Pictures below a folder, without those of its label folder."""
    labels = label_folder(root)
    return sort_pictures(root, labels if labels is not None and label_files(labels) else None)


def _finish_folder(
    rows: list[FrameRow], root: Path, base: Path, split: bool, label_space: str, maps: Sorted, depth_scale: float
) -> Manifest:
    rows = with_labels(rows, root, base, label_space)
    rows = join_maps(rows, root, maps, label_space, depth_scale)
    with_splits = (listed_splits(rows, root) or split_by_folder(rows, base, root)) if split else None
    return finish(with_splits or rows, root, root.name, split and with_splits is None)


def stereo_folders(root: Path | str, split: bool = True, right_as_target: bool = False) -> Manifest:
    """Rectified ``left/`` and ``right/`` with equal names, and ``intrinsics.json`` with ``baseline_m`` beside them.

    Args:
        root: the folder of one clip.
        split: give the frames a split (:func:`vergence.data.layouts.splits.assign_splits`).
        right_as_target: also make a row of each right frame, its partner being the left one.

    Raises:
        InputError: a right frame without a left one, bad intrinsics, and as :func:`folder`.
    """
    root = require_folder(root)
    return finish(_stereo_rows(root, right_as_target), root, root.name, split)


def driving_video(root: Path | str, split: bool = True) -> Manifest:
    """Every sub-folder that is a clip of one of the forms above, as one manifest with a camera for each clip."""
    root = require_folder(root)
    rows: list[FrameRow] = []
    for name in list_folders(root):
        make = clip_form(root / name)
        if make is not None:
            moved = _moved(make(root / name), name)
            rows += [dataclasses.replace(row, camera=f"{name}/{row.camera}") for row in moved]
    if not rows:
        raise InputError(
            f"{root} holds no clips; expected sub-folders with images/ and intrinsics.json, or with left/ and right/."
        )
    return finish(rows, root, root.name, split)


def clip_form(root: Path) -> Callable[[Path], list[FrameRow]] | None:
    """The function that makes rows of a clip folder with marks (images/ or left/ and right/), or None."""
    names = set(list_folders(root))
    if names & {"left", "right"} and not list_files(root):
        return _stereo_rows
    if "images" in names and intrinsics_file(root) is not None:
        return _images_rows
    return None


def finish(rows: Sequence[FrameRow], root: Path, name: str, split: bool = True) -> Manifest:
    """Manifest of rows made by a layout, with a split; InputError for none or a single frame."""
    if not rows:
        videos = [name for name in list_folders(root) if list_files(root / name, VIDEO_SUFFIXES)]
        hint = f"; {root / videos[0]} holds videos: give that folder" if videos else ""
        raise InputError(
            f"{root} holds no images; expected files such as 000000.jpg in it or in its sub-folders{hint}."
        )
    if len(rows) == 1:
        raise InputError(
            f"{root} holds one frame only; give at least three consecutive frames (or the image file itself)."
        )
    return Manifest(assign_splits(rows, name) if split else rows, root, str(root))


def _moved(rows: Sequence[FrameRow], prefix: str) -> list[FrameRow]:
    """Rows of a sub-folder, seen from its parent: paths and sequence names get the prefix."""
    moved = []
    for row in rows:
        paths = {key: f"{prefix}/{getattr(row, key)}" for key in ("image", "stereo", "depth") if getattr(row, key)}
        sequence = prefix if row.sequence in ("", prefix) else f"{prefix}/{row.sequence}"
        moved.append(dataclasses.replace(row, sequence=sequence, **paths))  # type: ignore[arg-type]
    return moved


def _folder_rows(root: Path, base: Path, frames: Mapping[Path, Sequence[str]]) -> list[FrameRow]:
    """Rows of the images (folder -> names) in ``base`` and folders below it; paths are relative to ``root``."""
    rows: list[FrameRow] = []
    for here, names in frames.items():
        _check_stems(here, names)
        sequence = here.relative_to(base).as_posix() if here != base else root.name
        rows += _sequence_rows(root, here, names, sequence, _intrinsics(root, here, names))
    return rows


def _check_stems(here: Path, names: Sequence[str]) -> None:
    stems: dict[str, str] = {}
    for name in names:
        first = stems.setdefault(Path(name).stem, name)
        if first != name:
            raise InputError(f"{here} has two pictures of one name, {first} and {name}; keep one of them.")


def _intrinsics(root: Path, here: Path, names: Sequence[str]) -> Intrinsics:
    for folder in (here, root):
        if (folder / "cam.txt").is_file() and intrinsics_file(folder) is None:
            return read_cam_txt(folder / "cam.txt", *image_size(here / names[0]))
    intrinsics = find_intrinsics(here, root)
    if not intrinsics.known:
        say_unread_cameras(here, root)
    return intrinsics


def _sequence_rows(
    root: Path, here: Path, names: Sequence[str], sequence: str, camera: Intrinsics, camera_name: str = "main"
) -> list[FrameRow]:
    rows = []
    relative = here.relative_to(root).as_posix()
    for name, clip, position in in_time(names, sequence):
        width, height = image_size(here / name)
        camera.check_aspect(width, height, here / name)
        image = name if relative == "." else f"{relative}/{name}"
        fields = (f"{sequence}/{clip}", position, "", clip) if clip else (sequence, position, "", camera_name)
        row = FrameRow(image, *fields, width=width, height=height)
        rows.append(camera.onto(row))
    return rows


def _images_rows(root: Path) -> list[FrameRow]:
    if not (root / "images").is_dir():
        raise InputError(f"{root} has no images/ folder; put the frames into {root / 'images'}.")
    if intrinsics_file(root) is None:
        raise InputError(f"{root} has no intrinsics.json; add one, or use the layout 'folder' for unknown intrinsics.")
    return _with_truth(root, _folder_rows(root, root / "images", sort_pictures(root / "images").frames))


def _stereo_rows(root: Path, right_as_target: bool = False) -> list[FrameRow]:
    left, right = root / "left", root / "right"
    left_names, right_names = list_files(left), list_files(right)
    if right_names and not left_names:
        raise InputError(f"{root} has right/ but no frames in left/; add the left frames with the same names.")
    if not left_names:
        raise InputError(f"{root} holds no images in left/; put the left frames there and the right ones in right/.")
    stems = {Path(name).stem for name in left_names}
    lonely = [name for name in right_names if Path(name).stem not in stems]
    if lonely:
        raise InputError(
            f"{right} has {len(lonely)} frame(s) without a left counterpart, the first is {lonely[0]}; "
            "give the pairs equal names."
        )
    camera = find_intrinsics(root)
    rows = _sequence_rows(root, left, left_names, root.name, camera, "left")
    if not np.isfinite(camera.baseline):
        if right_names:
            _log.warning("%s: right/ is not used, because intrinsics.json with baseline_m (metres) is missing", root)
        return _with_truth(root, rows)
    partner = {Path(name).stem: f"right/{name}" for name in right_names}
    if len(partner) < len(rows):
        _log.warning("%s: %d of %d left frames have no right one", root, len(rows) - len(partner), len(rows))
    pairs = [_paired(row, partner.get(Path(row.image).stem, ""), camera) for row in rows]
    mirrored = [_mirror(row) for row in pairs if row.stereo] if right_as_target else []
    return _with_truth(root, pairs) + mirrored


def _paired(row: FrameRow, partner: str, camera: Intrinsics) -> FrameRow:
    if not partner:
        return row
    return dataclasses.replace(row, stereo=partner, baseline=camera.baseline, stereo_cx=camera.stereo_cx)


def _mirror(row: FrameRow) -> FrameRow:
    """The row of the right frame of a stereo pair."""
    known = np.isfinite(row.stereo_cx)
    return dataclasses.replace(
        row,
        image=row.stereo,
        stereo=row.image,
        camera="right",
        baseline=-row.baseline,
        cx=row.stereo_cx if known else row.cx,
        stereo_cx=row.cx if known else row.stereo_cx,
    )


def _with_truth(root: Path, rows: list[FrameRow]) -> list[FrameRow]:
    """Fill in depth of ``lidar_depth/`` and the poses of ``poses.txt``, where the clip has them."""
    depth = {Path(name).stem: f"lidar_depth/{name}" for name in list_files(root / "lidar_depth")}
    if depth:
        rows = [dataclasses.replace(row, depth=depth.get(Path(row.image).stem, "")) for row in rows]
    if (root / "poses.txt").is_file():
        poses = read_poses(root / "poses.txt")
        if len(poses) != len(rows):
            raise InputError(
                f"{root / 'poses.txt'} has {len(poses)} lines for {len(rows)} frames; write one for each frame."
            )
        rows = [dataclasses.replace(row, pose=pose) for row, pose in zip(rows, poses, strict=True)]
    return rows


def read_poses(path: Path, centre: NDArray[np.float64] | None = None) -> list[str]:
    """``pose`` columns of a KITTI poses file: a line of 12 numbers (3x4, row-major, camera to world) a frame.

    ``centre`` (3,): where the camera in use sits in the frame of the one that the poses are of; default at its place.
    InputError where the file is no table of 12 finite numbers a line.
    """
    table = read_numbers(path, 12, "write 3x4 numbers a line, row-major, camera to world")
    poses = table.reshape(-1, 3, 4)
    if centre is not None:
        poses[:, :, 3] += poses[:, :, :3] @ centre
    return [format_pose(pose) for pose in poses]
