"""Video files: decoded once into a folder of frames, which is then read like any other folder."""

import dataclasses
import hashlib
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

from PIL import Image

from vergence.errors import InputError

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
    """The frames of a video: their folder, how many (``000000.jpg`` ...), their size and rate."""

    folder: Path
    frames: int
    width: int
    height: int
    fps: float


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
    record = {"source": _fingerprint(path), "options": dataclasses.asdict(options)}
    for folder in [Path(out)] if out else _default_folders(path, record):
        found = _reuse(folder, record)
        if found is not None:
            _log.info("%s: %d frames decoded before are used again from %s", path.name, found.frames, folder)
            return found
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
    return [path.parent / name, path.parent / unique, cache / unique]


def _writable(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


def _reuse(folder: Path, record: dict[str, Any]) -> DecodedVideo | None:
    try:
        stored = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if {key: stored[key] for key in record} != record:
            return None
        numbers = stored["result"]
        found = DecodedVideo(folder, numbers["frames"], numbers["width"], numbers["height"], numbers["fps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    last = folder / f"{found.frames - 1:06d}.{record['options']['image_format']}"
    return found if last.is_file() else None


def _decode_whole(path: Path, folder: Path, record: dict[str, Any], options: VideoOptions) -> DecodedVideo:
    """Decode into a temporary folder that becomes ``folder`` in one step, so that ``folder`` is whole or absent."""
    _log.info("%s: decoding into %s", path.name, folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        temporary.mkdir(parents=True)
        result = _write_frames(path, temporary, options)
        numbers = {"frames": result.frames, "width": result.width, "height": result.height, "fps": result.fps}
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
    count, size, rate = 0, (0, 0), math.nan
    for image, fps in read_video(path, options):
        if count and image.size != size:
            raise InputError(
                f"{path} changes its frame size from {size[0]}x{size[1]} to {image.width}x{image.height} at frame "
                f"{count}; cut the video there."
            )
        rate, size = fps, image.size
        image.save(folder / f"{count:06d}.{options.image_format}", **_SAVE[options.image_format])
        count += 1
    if count < 2:
        raise InputError(f"{path} gives {count} frame(s) at this stride; depth from video needs at least three.")
    return DecodedVideo(folder, count, size[0], size[1], rate)


_SAVE: dict[str, dict[str, Any]] = {"jpg": {"quality": 95}, "png": {"compress_level": 1}}


def read_video(path: Path | str, options: VideoOptions | None = None) -> Iterator[tuple[Image.Image, float]]:
    """Frames of a video as RGB images at the working width, upright, with the rate (frames/s) of what is yielded.

    Raises:
        InputError: as :func:`decode_video`, also in the middle where a file turns out to be damaged.
    """
    import av

    path, options = Path(path), options or VideoOptions()
    _fingerprint(path)
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a video ({_reason(error)}); it may be cut off or damaged, copy it again."
        ) from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path} holds no video stream; give a video file.")
        yield from _stream_frames(container, path, options)


def _stream_frames(container: Any, path: Path, options: VideoOptions) -> Iterator[tuple[Image.Image, float]]:
    import av

    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    rate = float(stream.average_rate or stream.guessed_rate or 0) or math.nan
    stride = options.stride if options.fps is None else max(1, round(rate / options.fps)) if rate > 0 else 1
    expected = _expected_frames(stream, rate)
    read, damage = 0, ""
    try:
        for frame in container.decode(stream):
            if read % stride == 0:
                yield _upright(frame, stream, options.width), rate / stride
            read += 1
    except av.FFmpegError as error:
        damage = f" ({_reason(error)})"
    if (damage or read < 0.9 * expected) and not options.allow_truncated:
        known = f" of about {expected}" if expected else ""
        raise InputError(
            f"{path} is damaged or cut off: only {read}{known} frames can be read{damage}; "
            "copy it again, or set allow_truncated to use what is there."
        )


def _expected_frames(stream: Any, rate: float) -> int:
    """Frames that the file claims to have; 0 where it does not say."""
    if stream.frames:
        return int(stream.frames)
    if stream.duration and stream.time_base and rate > 0:
        return int(float(stream.duration * stream.time_base) * rate)
    return 0


def _upright(frame: Any, stream: Any, width: int) -> Image.Image:
    """RGB image with square pixels, turned as the metadata say, at most ``width`` wide."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    across, down = max(1, round(frame.width * float(ratio or 1))), frame.height
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as PIL turns
    final_width = down if quarter_turns % 2 else across
    scale = min(1.0, width / final_width) if width else 1.0
    image: Image.Image = frame.to_image()
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    turn = turns[quarter_turns]
    return image if turn is None else image.transpose(turn)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
