"""When the frames of a video are shown, read from its packets without decoding them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.buckets.remote import local
from vergence.data.pictures import LIMIT, most_pixels
from vergence.data.videos.video_ends import ends_early, stated_seconds
from vergence.errors import InputError, reason

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,flv,asf,ogg,mxf,dv,"
    "mjpeg,yuv4mpegpipe,gif,nut,rm,wtv"
)
"""Containers that hold their frames themselves: lists, which name other files or the network, are none."""
_WHOLE = 0.9  # of what a file claims to hold: less means that it was cut off
_WIDEST_PIXEL = 8.0  # wider ones, or higher, are a slip: those of anamorphic film are twice as wide as high
_TURNS = 0.8  # share of the pairs of steps that are equally long where long and short ones take turns
_SAME_RATE = 0.05  # a stated rate this close to the measured one is the exact form of it


@dataclass(frozen=True)
class VideoTimes:
    """How many frames a player shows, how far apart most of them are, and how many the file claims to have."""

    frames: int
    """Frames that the file holds; those that an edit list hides are not counted."""
    claimed: int
    """About how many it should hold, by the length that it states; ``frames`` where it states none."""
    fps: float
    """Frames/s: one over the usual time between frames; NaN where neither the file nor its codec says."""

    end: str = ""
    """How its bytes show that the file was cut off, in words."""

    @property
    def cut_off(self) -> bool:
        """Whether the file ends before it says so, or well before the length that it states."""
        return bool(self.end) or self.frames < _WHOLE * self.claimed


class FrameClock:
    """Positions of frames on a grid of equal time steps, so that neighbours are equally far apart in time.

    Called with the time of each frame in order (seconds; None = unknown) it returns the frame's position: 0 for the
    first, and for each other the position before plus the rounded number of steps since. A frame less than half a step
    after the one before has the same position; after a pause positions are left out. Without times frames are counted.
    """

    def __init__(self, fps: float) -> None:
        self._fps, self._position, self._time = fps, -1, math.nan

    def __call__(self, time: float | None) -> int:
        now = math.nan if time is None else time
        steps = (now - self._time) * self._fps
        step = 1 if self._position < 0 or not math.isfinite(steps) or steps < 0 else round(steps)
        if step:
            self._position, self._time = self._position + step, now
        return self._position


@contextmanager
def opened_video(path: Path) -> Iterator[Any]:
    """An open PyAV container that has a video stream; InputError where it is none."""
    import av

    path = local(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file; check the path of the video.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy the video again.")
    try:
        container = av.open(str(path), options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a video ({reason(error)}); it may be cut off or damaged, copy it again."
        ) from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path} holds no video stream; give a video file.")
        _check_size(container.streams.video[0], path)
        yield container


def _check_size(stream: Any, path: Path) -> None:
    """InputError where frames are too large, or would be once their pixels are square; later ones fail to decode."""
    limit = most_pixels()
    if stream.codec_context is None:
        raise InputError(f"{path} has a video stream of an unknown codec; it may be damaged, copy it again.")
    if stream.codec_context.width * stream.codec_context.height > limit:
        raise InputError(
            f"{path} has frames of {stream.codec_context.width}x{stream.codec_context.height}, more than "
            f"{limit / 1e6:g} million pixels; make them smaller, or set {LIMIT} to what a picture may have."
        )
    stream.codec_context.options = {"max_pixels": str(limit)}
    ratio = float(stream.sample_aspect_ratio or 1)
    if not 1 / _WIDEST_PIXEL <= ratio <= _WIDEST_PIXEL:
        raise InputError(f"{path} says that its pixels are {ratio:g} times as wide as high; correct its aspect ratio.")


def video_times(path: Path | str) -> VideoTimes:
    """Number and rate of the frames of a video; InputError where it cannot be opened or has no video."""
    path = Path(path)
    with opened_video(path) as container:
        stream = container.streams.video[0]
        early = ends_early(local(path), container.format.name)
        count, times, ends, torn = _packets(container, stream)
        measured = 1 / _usual_step(np.diff(np.unique(times)))
        fps = _rate(stream, measured, bool(times))
        stated = stated_seconds(local(path), container.format.name)
        claimed = _claimed(container, stream, count, fps, ends, stated)
        return VideoTimes(count, claimed, fps, early or torn)


def _usual_step(steps: NDArray[np.float64]) -> float:
    """Median time between frames; where long and short steps take turns, as in film shown at 60 Hz, their mean.

    NaN for no steps.
    """
    if len(steps) < 2:
        return float(steps[0]) if len(steps) else math.nan
    pairs = (steps[1:] + steps[:-1]) / 2
    one, two = float(np.median(steps)), float(np.median(pairs))
    alike = float(np.mean(abs(pairs - two) < _SAME_RATE * two))
    return two if alike >= _TURNS and alike > np.mean(abs(steps - one) < _SAME_RATE * one) else one


def _packets(container: Any, stream: Any) -> tuple[int, list[float], dict[int, tuple[float, float]], str]:
    """Packets of the stream that are shown, their times, for each stream when it starts and ends (s), how it is cut."""
    import av

    count, times = 0, []
    ends: dict[int, tuple[float, float]] = {}
    torn: dict[int, bool] = {}
    try:
        for packet in container.demux():
            if packet.size == 0 or packet.is_discard:
                continue
            torn[packet.stream.index] = packet.is_corrupt
            if packet.stream.index == stream.index:
                count += 1
            if packet.pts is None or not packet.time_base:
                continue
            time = float(packet.pts * packet.time_base)
            if packet.stream.index == stream.index:
                times.append(time)
            start, end = ends.get(packet.stream.index, (time, time))
            length = float((packet.duration or 0) * packet.time_base)
            ends[packet.stream.index] = min(start, time), max(end, time + length)
    except av.FFmpegError:
        pass  # what lies behind is missing: the count says so
    return count, times, ends, "its last packet is shorter than it states" if any(torn.values()) else ""


def _rate(stream: Any, measured: float, timed: bool) -> float:
    """Frames/s. Raw streams of a codec have no times; their codec may state a rate, ffmpeg's guess of 25 is none."""
    if not timed:
        return float(getattr(stream.codec_context, "framerate", None) or 0) or math.nan
    stated = float(stream.average_rate or stream.guessed_rate or 0)
    if math.isnan(measured):
        return stated or math.nan
    return stated if abs(stated / measured - 1) < _SAME_RATE else measured


def _claimed(
    container: Any, stream: Any, count: int, fps: float, ends: dict[int, tuple[float, float]], fragments: float
) -> int:
    """Frames of the stated length: that of the stream, or of the whole file, which ends with its longest stream.

    ``fragments`` are the seconds that the head of a fragmented file states, 0 for none.
    """
    import av

    stated, (start, end) = 0.0, ends.get(stream.index, (0.0, 0.0))
    if stream.duration and stream.time_base and not fragments:
        stated = float(stream.duration * stream.time_base)
    elif fragments or container.duration:
        stated = fragments or container.duration / av.time_base
        start = min((first for first, _ in ends.values()), default=0.0)
        end = max((last for _, last in ends.values()), default=0.0)
        if "matroska" in container.format.name and end <= stated / _WHOLE:
            start = 0.0  # what Matroska states is the time of the end, also where the first frame is not at zero
    if not stated:
        return count
    if end - start >= _WHOLE * stated or not count:
        return count if count else max(1, round(stated * fps) if fps > 0 else 1)
    return max(count + 1, round(count * stated / max(end - start, 1e-6)))
