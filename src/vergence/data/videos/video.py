"""Video files: decoded once into a folder of frames, which is then read like any other folder."""

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vergence.data.buckets.addresses import is_remote
from vergence.data.structured import read_json
from vergence.data.videos.video_times import FrameClock, VideoTimes, opened_video, video_times
from vergence.errors import InputError, reason

RECORD = "frames.json"
_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class VideoOptions:
    """How a video becomes frames.

    width: pixels of the stored frames, never more than the video has; 0 = as in the video. The aspect is kept and
    pixels are made square. stride: keep every n-th frame. fps: instead of stride, the nearest rate that a whole stride
    gives. image_format: "jpg" (quality 95) or "png". allow_truncated: use what can be read of a damaged file.

    Raises InputError for values that make no sense.
    """

    width: int = 640
    stride: int = 1
    fps: float | None = None
    image_format: str = "jpg"
    allow_truncated: bool = False

    def __post_init__(self) -> None:
        if self.width < 0 or self.stride < 1:
            raise InputError(f"video width {self.width} or stride {self.stride} makes no sense; use width >= 0, >= 1.")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"video fps is {self.fps}; give frames per second greater than 0.")
        if self.image_format not in ("jpg", "png"):
            raise InputError(f"video image_format {self.image_format!r} is unknown; use 'jpg' or 'png'.")


@dataclass(frozen=True)
class DecodedVideo:
    """The frames of a video: their folder, their positions in time (the names, ``000000.jpg`` ...), size and rate."""

    folder: Path
    positions: tuple[int, ...]
    """In steps of 1 / fps; equal steps for a video of constant rate, with gaps where one of variable rate pauses."""
    width: int
    height: int
    fps: float
    """NaN unknown."""

    @property
    def frames(self) -> int:
        return len(self.positions)


def decode_video(path: Path | str, out: Path | str | None = None, options: VideoOptions | None = None) -> DecodedVideo:
    """Decode a video into a folder of frames, or reuse that folder if it came from the same file and options.

    Args:
        path: the video file. Rotation in its metadata is applied, as a player does.
        out: folder of the frames; default: beside the video, ``NAME_frames``, or the user's cache folder where that
            cannot be written. A folder of another file or other options is never overwritten there: a name with a hash
            is used instead.
        options: size, rate and format.

    Raises:
        InputError: missing, empty, unreadable or truncated file, no video in it, fewer than two frames, ``out`` in use.
    """
    path, options = Path(path), options or VideoOptions()
    record = {"source": _fingerprint(path), "options": dataclasses.asdict(options), "places": "time"}
    for folder in [Path(out)] if out else _default_folders(path, record):
        decoded = _reuse(folder, record)
        if decoded is not None:
            _log.info("%s: %d frames decoded before are used again from %s", path.name, decoded.frames, folder)
            return decoded
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if out:
                raise InputError(f"{folder} already holds something else; give another folder for the frames.")
            continue
        if out or _writable(folder.parent):
            return _decode_whole(path, folder, record, options)
    raise InputError(f"no folder for the frames of {path} can be written; give one.")


def _fingerprint(path: Path) -> dict[str, Any]:
    """What tells one version of a file from another without reading all of it."""
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file; check the path of the video.")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy the video again.")
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        hasher.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        hasher.update(file.read())
    return {"name": path.name, "bytes": size, "sha256_of_ends": hasher.hexdigest()}


def _default_folders(path: Path, record: dict[str, Any]) -> list[Path]:
    name = f"{path.stem}_frames"
    unique = f"{name}_{hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:8]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vergence" / "video"
    beside = [] if is_remote(path) else [path.parent / name, path.parent / unique]
    return [*beside, cache / unique]


def _writable(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


def _reuse(folder: Path, record: dict[str, Any]) -> DecodedVideo | None:
    try:
        stored = read_json(folder / RECORD)
        if {key: stored[key] for key in record} != record:
            return None
        numbers = stored["result"]
        positions = numbers.get("positions") or range(numbers["frames"])
        fps = math.nan if numbers["fps"] is None else numbers["fps"]
        decoded = DecodedVideo(folder, tuple(positions), numbers["width"], numbers["height"], fps)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    last = folder / f"{decoded.positions[-1]:06d}.{record['options']['image_format']}"
    return decoded if last.is_file() else None


def _decode_whole(path: Path, folder: Path, record: dict[str, Any], options: VideoOptions) -> DecodedVideo:
    """Decode into a temporary folder that becomes ``folder`` in one step, so that ``folder`` is whole or absent."""
    _log.info("%s: decoding into %s", path.name, folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        temporary.mkdir(parents=True)
        result = _write_frames(path, temporary, options)
        numbers: dict[str, Any] = {"frames": result.frames, "width": result.width, "height": result.height}
        numbers["fps"] = None if math.isnan(result.fps) else result.fps
        if result.positions != tuple(range(result.frames)):
            numbers["positions"] = result.positions
        text = json.dumps({**record, "result": numbers}, indent=1)
        (temporary / RECORD).write_text(text, encoding="utf-8")
        with suppress(OSError):
            folder.rmdir()  # an empty folder may be replaced
        os.replace(temporary, folder)
    except OSError as error:
        raise InputError(
            f"the frames of {path.name} cannot be written to {folder} ({error.strerror or error}); "
            "free some space or give another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dataclasses.replace(result, folder=folder)


def _write_frames(path: Path, folder: Path, options: VideoOptions) -> DecodedVideo:
    times = video_times(path)
    positions: list[int] = []
    size, read = (0, 0), 0
    for read, (image, position) in enumerate(read_video(path, options), start=1):
        if positions and image.size != size:
            raise InputError(
                f"{path} changes its frame size from {size[0]}x{size[1]} to {image.width}x{image.height} at frame "
                f"{read - 1}; cut the video there."
            )
        size = image.size
        if positions and position == positions[-1]:
            continue
        image.save(folder / f"{position:06d}.{options.image_format}", **_SAVE[options.image_format])
        positions.append(position)
    if len(positions) < 2:
        raise InputError(
            f"{path} gives {len(positions)} frame(s) at this stride; depth from video needs at least three."
        )
    _say_what_time_made(path, positions, read)
    rate = times.fps / working_stride(times, options, path)
    return DecodedVideo(folder, tuple(positions), size[0], size[1], rate)


def _say_what_time_made(path: Path, positions: list[int], read: int) -> None:
    pauses = sum(b - a > 1 for a, b in itertools.pairwise(positions))
    if pauses:
        _log.warning(
            "%s: the frame rate varies; %d pair(s) of frames lie further apart in time than the others and are no "
            "neighbours",
            path.name,
            pauses,
        )
    if read > len(positions):
        _log.warning(
            "%s: %d frames shown at nearly the same time as another are left out", path.name, read - len(positions)
        )


_SETTING = "--allow_truncated true in scan and predict, --frames.allow_truncated true in train"
_SAVE: dict[str, dict[str, Any]] = {"jpg": {"quality": 95}, "png": {"compress_level": 1}}


def read_video(path: Path | str, options: VideoOptions | None = None) -> Iterator[tuple[Image.Image, int]]:
    """Frames of a video as RGB images at the working width, upright, each with its position in time.

    Positions count steps of stride / rate, see :class:`~vergence.data.videos.video_times.FrameClock`; with a stride of
    1 every frame is given, also where two have one position. With a longer one the first frame in a third of a step
    counts.

    Raises:
        InputError: as :func:`decode_video`, also in the middle where a file turns out to be damaged.
    """
    path, options = Path(path), options or VideoOptions()
    times = video_times(path)
    stride = working_stride(times, options, path)
    with opened_video(path) as container:
        yield from _stream_frames(container, path, options, times, stride)


def working_stride(times: VideoTimes, options: VideoOptions, path: Path) -> int:
    """The stride of the options, or that whose rate is nearest to theirs; InputError where the video has no rate."""
    if options.fps is None:
        return options.stride
    if math.isnan(times.fps):
        raise InputError(f"{path} has no times of its frames, so fps means nothing for it; give a stride instead.")
    return max(1, round(times.fps / options.fps))


def _stream_frames(
    container: Any, path: Path, options: VideoOptions, times: VideoTimes, stride: int
) -> Iterator[tuple[Image.Image, int]]:
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    clock, last = FrameClock(times.fps), -1
    read, fields, damage, torn = 0, 1, "", False
    try:
        for frame in container.decode(stream):
            index, late = divmod(clock(frame.time), stride)
            if stride == 1 or (index > last and late <= stride // 3):
                yield _upright(frame, stream, options.width), index
                last = index
            read, torn = read + 1, frame.is_corrupt
            fields = 2 if frame.interlaced_frame else fields  # two packets may make one frame
            transfer = int(getattr(frame, "color_trc", 0) or 0)
            _say_what_frames_are(path, bool(frame.interlaced_frame), _HDR.get(transfer, ""))
    except av.FFmpegError as error:
        damage = f" ({reason(error)})"
    end = times.end or ("its last frame is not whole" if torn and container.format.name in _STATE_NO_LENGTH else "")
    if (damage or end or times.cut_off or read < 0.9 * times.frames / fields) and not options.allow_truncated:
        known = max(times.claimed, times.frames)
        extent = f"only {read} of about {known} frames can be read{damage}"
        if end and not damage and read >= 0.9 * known / fields:
            extent = f"{end}, {read} frames can be read"
        raise InputError(
            f"{path} is damaged or cut off: {extent}; copy it again, or say allow_truncated to use what is there: "
            f"{_SETTING}."
        )
    if not read:
        raise InputError(f"{path} has no frame that can be read{damage}; copy it again.")


_STATE_NO_LENGTH = ("mpegts", "mpeg", "h264", "hevc", "mpegvideo", "m4v")
"""Containers, by FFmpeg's names, of which only the last frame can tell that more should follow."""
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of high dynamic range, by their numbers in H.273."""


@functools.cache
def _say_what_frames_are(path: Path, interlaced: bool, high_range: str) -> None:
    """Once for each video: what players undo, and we do not."""
    if interlaced:
        _log.warning(
            "%s is interlaced: each frame has lines of two moments, which look like depth where something moves; "
            "separate them first, such as by ffmpeg -i IN -vf bwdif OUT",
            path.name,
        )
    if high_range:
        _log.warning(
            "%s is of high dynamic range (%s): its colours are taken as they are stored, flatter than players show "
            "them; use all data like this, or convert it to SDR first",
            *(path.name, high_range),
        )


def _upright(frame: Any, stream: Any, width: int) -> Image.Image:
    """RGB image with square pixels, turned as the metadata say, at most ``width`` wide."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    across, down = max(1, round(frame.width * float(ratio or 1))), frame.height
    mirrored, quarter_turns = _display(frame)
    final_width = down if quarter_turns % 2 else across
    scale = min(1.0, width / final_width) if width else 1.0
    image: Image.Image = frame.to_image()
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
    turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    turn = turns[quarter_turns]
    return image if turn is None else image.transpose(turn)


def _display(frame: Any) -> tuple[bool, int]:
    """Whether a frame is mirrored left to right, and how many quarter turns counter-clockwise follow, as PIL turns."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, round(frame.rotation / 90) % 4
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].astype(float)
    mirrored = a * d - b * c < 0
    if mirrored:  # the matrix is a mirror first, then the turn
        a, b = -a, -b
    return bool(mirrored), round(-math.degrees(math.atan2(b, a)) / 90) % 4
