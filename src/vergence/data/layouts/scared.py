"""SCARED: stereo endoscopy with measured depth. Names and forms of its files are from memory, therefore loose."""

import dataclasses
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.atomic import write_text, writing
from vergence.data.imaging.float_tiff import read_float_tiff
from vergence.data.imaging.images import open_image, write_sparse_depth
from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import VIDEO_SUFFIXES, list_files, list_folders, require_folder, stem_number
from vergence.data.layouts.order import positions
from vergence.data.layouts.rectification import Rectification, StereoCalibration, read_stereo_calibration
from vergence.data.layouts.splits import assign_splits
from vergence.data.layouts.super_endoscopy import LEFT, RIGHT
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_array, read_json
from vergence.data.videos.video import VideoOptions, read_video
from vergence.errors import InputError

TEST = ("dataset_8", "dataset_9")
"""Test data of the challenge."""
MILLIMETRES = 0.001
RECORD = "rectified.json"
_log = logging.getLogger("vergence")


class _Raw(NamedTuple):
    """One raw pair: its number in the video, both pictures, and the file of the left one's points or None."""

    number: int
    left: Image.Image
    right: Image.Image
    points: Path | None


def scared(root: Path | str, frames: str = "", step: int = 1, depth: bool = True, split: bool = True) -> Manifest:
    """``dataset_N/keyframe_M/``, or one of these folders; each keyframe is a sequence of rectified pairs.

    Raw pairs come from ``left/`` and ``right/`` (also in ``data/``), else from ``data/rgb.mp4`` (left above right),
    else from ``Left_Image.png`` and ``Right_Image.png``. The calibration is ``endoscope_calibration.yaml`` or the first
    ``frame_data*.json`` (in ``data/`` or ``data/frame_data/``), in millimetres. Depth is ``scene_points*.tiff`` of the
    frame's number (in ``data/`` or ``data/scene_points/``; three channels x, y, z of the raw left camera, millimetres;
    twice as high where both cameras are in it) and ``left_depth_map.tiff`` of the two stills; ``.npy`` is read as well.
    Archives must be unpacked.

    Pairs are undistorted and rectified, once: ``FRAMES/dataset_N/keyframe_M/left``, ``right`` and ``depth``.

    Args:
        root: the folder.
        frames: folder of the rectified frames; default ``rectified`` in ``root``.
        step: take every so many frames of a video.
        depth: write measured depth too.
        split: dataset 8 and 9 are "test", of the others some are held back as val; else all are train.

    Raises:
        InputError: no keyframes, no pictures or calibration in one, left and right of other sizes, broken files.
    """
    root = require_folder(root)
    if step < 1:
        raise InputError(f"scared: step is {step}; give 1 or more.")
    keyframes = _keyframes(root)
    if not keyframes:
        raise InputError(f"{root} holds no keyframes; expected dataset_1/keyframe_1/ with its calibration and frames.")
    out = Path(frames) if frames else root / "rectified"
    rows = [row for name, folder in keyframes for row in _rows(name, folder, out, step, depth)]
    test = [row for row in rows if row.sequence.split("/")[0] in TEST]
    others = [row for row in rows if row not in test]
    others = (
        assign_splits(others, root.name)
        if split and others
        else [dataclasses.replace(r, split="train") for r in others]
    )
    rows = others + [dataclasses.replace(row, split="test" if split else "train") for row in test]
    return finish(rows, out, root.name, split=False)


def _keyframes(root: Path) -> list[tuple[str, Path]]:
    """Sequence name and folder of every keyframe."""
    if re.match(r"key_?frame", root.name, re.IGNORECASE) or _calibration_file(root):
        return [(f"{root.parent.name}/{root.name}" if "dataset" in root.parent.name.lower() else root.name, root)]
    keyframes = []
    for name in list_folders(root):
        if re.match(r"key_?frame", name, re.IGNORECASE):
            keyframes.append((f"{root.name}/{name}" if "dataset" in root.name.lower() else name, root / name))
        elif name.lower().startswith("dataset"):
            inner = [one for one in list_folders(root / name) if re.match(r"key_?frame", one, re.IGNORECASE)]
            keyframes += [(f"{name}/{one}", root / name / one) for one in inner]
    return keyframes


def _calibration_file(folder: Path) -> Path | None:
    for name in ("endoscope_calibration.yaml", "endoscope_calibration.yml"):
        if (folder / name).is_file():
            return folder / name
    for inner in ("data/frame_data", "frame_data", "data", "."):
        files = [name for name in list_files(folder / inner, frozenset({".json"})) if name.startswith("frame_data")]
        if files:
            return folder / inner / files[0]
    return None


def _rows(name: str, folder: Path, out: Path, step: int, depth: bool) -> list[FrameRow]:
    path = _calibration_file(folder)
    if path is None:
        raise InputError(f"{folder} has no endoscope_calibration.yaml or frame_data*.json; unpack frame_data.tar.gz.")
    cameras = read_stereo_calibration(path)
    target = out / name
    identity = {"calibration": cameras.text(), "source": _source(folder)[0], "step": step, "depth": depth}
    record = _finished(target, identity)
    if record is None:
        record = {**identity, **_write(folder, target, cameras, step, depth)}
        write_text(target / RECORD, json.dumps(record, indent=2) + "\n")
    order = positions([f"{number:06d}" for number in record["frames"]])
    return [_row(name, number, t, record, target) for number, t in zip(record["frames"], order, strict=True)]


def _row(name: str, number: int, position: int, record: dict[str, Any], target: Path) -> FrameRow:
    width, height = record["size"]
    K, stem = record["K"], f"{number:06d}"
    measured = record["depth"] and (target / "depth" / f"{stem}.npz").is_file()
    return FrameRow(
        f"{name}/left/{stem}.jpg", name, position, camera="left", width=width, height=height,
        fx=K[0][0] / width, fy=K[1][1] / height, cx=K[0][2] / width, cy=K[1][2] / height,
        stereo=f"{name}/right/{stem}.jpg", baseline=record["baseline_m"],
        depth=f"{name}/depth/{stem}.npz" if measured else "",
    )  # fmt: skip


def _finished(target: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The record of frames that were rectified before, in the same way; None if they were not."""
    try:
        record = read_json(target / RECORD)
        same = all(record[key] == value for key, value in identity.items())
        whole = all((target / "right" / f"{number:06d}.jpg").is_file() for number in record["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if same and whole else None


def _write(folder: Path, target: Path, cameras: StereoCalibration, step: int, depth: bool) -> dict[str, Any]:
    """Rectify and write all pairs of a keyframe; gives what rows need to know."""
    rectification, size = None, (0, 0)
    numbers: list[int] = []
    for raw in _pairs(folder, step):
        if raw.left.size != raw.right.size or (numbers and raw.left.size != size):
            raise InputError(f"{folder}: left is {raw.left.size}, right {raw.right.size}; frames need one size.")
        if rectification is None:
            size = raw.left.size
            rectification = Rectification.of(cameras, size[1], size[0])
        for side, image in (("left", raw.left), ("right", raw.right)):
            with writing(target / side / f"{raw.number:06d}.jpg") as temporary:
                straight = rectification.image(np.array(image), side)
                Image.fromarray(straight).save(temporary, quality=95, subsampling=0)
        if depth and raw.points is not None:
            metres = rectification.depth(_points(raw.points, size)) * MILLIMETRES
            write_sparse_depth(target / "depth" / f"{raw.number:06d}.npz", metres)
        numbers.append(raw.number)
    if rectification is None:
        raise InputError(f"{folder} holds no frames; expected data/rgb.mp4, left/ and right/, or Left_Image.png.")
    _log.info("%s: %d pairs rectified into %s", folder, len(numbers), target)
    return {
        "frames": numbers,
        "size": list(size),
        "K": rectification.K.tolist(),
        "baseline_m": rectification.baseline * MILLIMETRES,
    }


def _points(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """Points (H, W, 3) of the left camera."""
    points = read_array(path, "unpack again") if path.suffix.lower() == ".npy" else read_float_tiff(path)
    width, height = size
    if points.shape not in ((height, width, 3), (2 * height, width, 3)):
        raise InputError(
            f"{path} has shape {points.shape}, expected ({height}, {width}, 3) as its frame; unpack again."
        )
    return points[:height]


def _source(folder: Path) -> tuple[str, list[Path]]:
    """What the raw pairs are ("folders", "video", "stills" or ""), and where: two folders, a video or two files."""
    for base in (folder, folder / "data"):
        pair = [next((base / one for one in names if list_files(base / one)), None) for names in (LEFT, RIGHT)]
        if pair[0] is not None and pair[1] is not None:
            return "folders", [pair[0], pair[1]]
    for base in (folder / "data", folder):
        videos = list_files(base, VIDEO_SUFFIXES)
        if videos:
            return "video", [base / ("rgb.mp4" if "rgb.mp4" in videos else videos[0])]
    stills = [folder / "Left_Image.png", folder / "Right_Image.png"]
    return ("stills", stills) if all(path.is_file() for path in stills) else ("", [])


def _pairs(folder: Path, step: int) -> Iterator[_Raw]:
    kind, sides = _source(folder)
    points = _point_files(folder)
    if kind == "folders":
        right = {stem_number(name): name for name in list_files(sides[1])}
        for count, name in enumerate(list_files(sides[0])):
            number = stem_number(name)
            if count % step == 0 and number in right:
                images = open_image(sides[0] / name), open_image(sides[1] / right[number])
                yield _Raw(count if number is None else number, *images, points.get(number))
    elif kind == "video":
        for number, (image, _) in enumerate(read_video(sides[0], VideoOptions(width=0))):
            if number % step == 0:
                half = image.height // 2
                left, right_half = (image.crop((0, top, image.width, top + half)) for top in (0, half))
                yield _Raw(number, left, right_half, points.get(number))
    elif kind == "stills":
        files = [folder / f"left_depth_map{suffix}" for suffix in (".tiff", ".tif", ".npy")]
        truth = next((path for path in files if path.is_file()), None)
        yield _Raw(0, open_image(sides[0]), open_image(sides[1]), truth)


def _point_files(folder: Path) -> dict[int | None, Path]:
    suffixes = frozenset({".tiff", ".tif", ".npy"})
    for inner in ("data/scene_points", "scene_points", "data", "."):
        names = [name for name in list_files(folder / inner, suffixes) if name.startswith("scene_points")]
        if names:
            return {stem_number(name): folder / inner / name for name in names}
    return {}
