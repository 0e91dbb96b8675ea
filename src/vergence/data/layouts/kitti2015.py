"""KITTI 2015 stereo pairs with measured disparity and lidar depth: stills, for evaluation."""

import dataclasses
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import image_size, list_files, require_folder, stem_number
from vergence.data.layouts.intrinsics import Intrinsics, read_intrinsics
from vergence.data.layouts.kitti_calibration import matrix, read_matrices, rectified_pair
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError


def kitti2015(root: Path | str, truth: str = "auto", split: str = "test") -> Manifest:
    """Stereo pairs with truth, each one a sequence of its own, because neighbours in number are not neighbours in time.

    Two forms are read: ``image_left/``, ``image_right/``, ``disparity/``, ``lidar_depth/`` and ``calib.json``; and
    KITTI's own (``root`` or ``root/training``): ``image_2/NNNNNN_10.png``, ``image_3/``, ``disp_occ_0/``,
    ``calib_cam_to_cam/NNNNNN.txt``.

    Args:
        root: the folder.
        truth: "disparity" (dense, cars filled in), "lidar" (one sweep), or "auto": both columns where they exist.
            Readers prefer ``depth`` (lidar) to ``disparity``.
        split: what to call these frames.

    Raises:
        InputError: neither form, no images, a missing or broken calibration, an unknown option value.
    """
    root = require_folder(root)
    if truth not in ("auto", "disparity", "lidar"):
        raise InputError(f"kitti2015: truth is {truth!r}; use auto, disparity or lidar.")
    official = root / "training" if (root / "training" / "image_2").is_dir() else root
    rows = _official_rows(root, official) if (official / "image_2").is_dir() else _plain_rows(root)
    rows = [dataclasses.replace(row, split=split) for row in rows]
    if truth == "disparity":
        rows = [dataclasses.replace(row, depth="") for row in rows]
    if truth == "lidar":
        rows = [dataclasses.replace(row, disparity="") for row in rows]
    return finish(rows, root, root.name, split=False)


def _plain_rows(root: Path) -> list[FrameRow]:
    names = list_files(root / "image_left")
    if not names:
        raise InputError(
            f"{root} holds no image_left/ or image_2/ with images; give a folder in the form of KITTI 2015."
        )
    if not (root / "calib.json").is_file():
        raise InputError(f"{root} has no calib.json; add one with width, height, fx, fy, cx, cy and baseline_m.")
    camera = read_intrinsics(root / "calib.json")
    folders = {"stereo": "image_right", "disparity": "disparity", "depth": "lidar_depth"}
    by_stem = {key: _by_stem(root, folder) for key, folder in folders.items()}
    return [_row(root, f"image_left/{name}", Path(name).stem, camera, by_stem) for name in names]


def _official_rows(root: Path, base: Path) -> list[FrameRow]:
    base_path = base.relative_to(root).as_posix()
    prefix = "" if base_path == "." else f"{base_path}/"
    names = [name for name in list_files(base / "image_2") if Path(name).stem.endswith("_10")]
    if not names:
        raise InputError(f"{base / 'image_2'} holds no NNNNNN_10.png; unpack KITTI 2015 again.")
    folders = {"stereo": "image_3", "disparity": "disp_occ_0"}
    by_stem = {key: _by_stem(root, prefix + folder) for key, folder in folders.items()}
    rows = []
    for name in names:
        path = base / "calib_cam_to_cam" / f"{Path(name).stem[:-3]}.txt"
        values = read_matrices(path)
        projections = {n: matrix(values, f"P_rect_{n:02d}", (3, 4), path) for n in (2, 3)}
        camera = rectified_pair(projections[2], projections[3], image_size(base / "image_2" / name), str(path))
        rows.append(_row(root, f"{prefix}image_2/{name}", Path(name).stem, camera, by_stem))
    return rows


def _by_stem(root: Path, folder: str) -> dict[str, str]:
    return {Path(name).stem: f"{folder}/{name}" for name in list_files(root / folder)}


def _row(root: Path, image: str, stem: str, camera: Intrinsics, by_stem: dict[str, dict[str, str]]) -> FrameRow:
    width, height = image_size(root / image)
    camera.check_aspect(width, height, root / image)
    row = camera.onto(FrameRow(image, stem, stem_number(stem) or 0, camera="left", width=width, height=height))
    paths = {key: files.get(stem, "") for key, files in by_stem.items()}
    return dataclasses.replace(row, baseline=camera.baseline, stereo_cx=camera.stereo_cx, **paths)  # type: ignore[arg-type]
