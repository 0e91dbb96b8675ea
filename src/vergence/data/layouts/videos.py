"""One or several video files as a manifest."""

import dataclasses
import logging
from collections import Counter
from pathlib import Path

from vergence.data.layouts.clips import finish
from vergence.data.layouts.files import VIDEO_SUFFIXES, list_files
from vergence.data.layouts.intrinsics import Intrinsics, find_intrinsics, read_intrinsics, say_unread_cameras
from vergence.data.layouts.opencv_camera import SUFFIXES, speaks_of_a_camera
from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.data.structured import read_json
from vergence.data.videos.video import VideoOptions, decode_video
from vergence.errors import InputError

_log = logging.getLogger("vergence")


def video(
    root: Path | str,
    split: bool = True,
    frames: Path | str | None = None,
    width: int = 640,
    stride: int = 1,
    fps: float | None = None,
    image_format: str = "jpg",
    allow_truncated: bool = False,
) -> Manifest:
    """A video file, or a folder of video files (each one a sequence), decoded once into frames.

    Frames that are neighbours are equally far apart in time: where a video of variable rate pauses, positions are left
    out.

    Intrinsics come from ``NAME.json`` beside ``NAME.mp4`` (the keys of ``intrinsics.json``), else from
    ``intrinsics.json`` or a calibration in the folder, else they are unknown.

    Args:
        root: the video file, or a folder with video files.
        split: give the frames a split.
        frames: folder for the decoded frames, with a sub-folder for each video if there are several; default: beside
            each video.
        width: pixels of the stored frames, never more than the video has; 0 = as in the video.
        stride: keep every n-th frame.
        fps: instead of stride, the nearest rate that a whole stride gives.
        image_format: "jpg" or "png".
        allow_truncated: use what can be read of a damaged file.

    Raises:
        InputError: as :func:`vergence.data.videos.video.decode_video`; no video in the folder; bad intrinsics.
    """
    root = Path(root)
    paths = [root / name for name in list_files(root, VIDEO_SUFFIXES)] if root.is_dir() else [root]
    if not paths:
        raise InputError(f"{root} holds no video files; expected files such as drive.mp4.")
    options = VideoOptions(width, stride, fps, image_format, allow_truncated)
    rows: list[FrameRow] = []
    for path, name in zip(paths, _sequence_names(paths), strict=True):
        out = Path(frames) / name if frames and len(paths) > 1 else frames
        rows += _video_rows(path, name, out, options)
    if len(paths) == 1:
        return finish(rows, root if root.is_dir() else root.parent, root.name, split)
    return finish(rows, root, root.name, split)


def _speaks_of_a_camera(path: Path) -> bool:
    """Whether a JSON file beside a video means its camera: any other (a scan's findings, say) has no focal length."""
    try:
        values = read_json(path) if path.is_file() else None
    except InputError:
        return True  # a broken file is for read_intrinsics to complain about
    if isinstance(values, dict) and {"fx", "fy", "cx", "cy"} & values.keys():
        return True
    if path.is_file():
        _log.info("%s holds none of fx, fy, cx, cy: it is not taken for the camera of the video", path)
    return False


def _camera_of(path: Path) -> Intrinsics:
    """The camera of a video: of ``NAME.json`` or ``NAME.yaml``, else of a calibration in its folder, else unknown."""
    for beside in (path.with_suffix(".json"), path.with_name(f"{path.name}.json")):
        if _speaks_of_a_camera(beside):
            return read_intrinsics(beside)
    for beside in (path.with_suffix(suffix) for suffix in SUFFIXES):
        if beside.is_file() and speaks_of_a_camera(beside):
            return read_intrinsics(beside)
    camera = find_intrinsics(path.parent)
    if not camera.known:
        say_unread_cameras(path.parent)
    return camera


def _sequence_names(paths: list[Path]) -> list[str]:
    """The name of each video without its suffix, or with it where two videos differ in that alone."""
    stems = Counter(path.stem for path in paths)
    return [path.stem if stems[path.stem] == 1 else path.name for path in paths]


def _video_rows(path: Path, name: str, out: Path | str | None, options: VideoOptions) -> list[FrameRow]:
    decoded = decode_video(path, out, options)
    camera = _camera_of(path)
    camera.check_aspect(decoded.width, decoded.height, path)
    folder = decoded.folder.absolute()
    first = camera.onto(FrameRow("", name, 0, camera=name, width=decoded.width, height=decoded.height))
    return [
        dataclasses.replace(first, image=str(folder / f"{k:06d}.{options.image_format}"), position=k, fps=decoded.fps)
        for k in decoded.positions
    ]
