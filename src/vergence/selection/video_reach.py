"""How far labels of each frame would be carried through its video: small optical flow, kept on disk, resumable."""

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.digests import file_state, text_digest
from vergence.data.manifest import Manifest
from vergence.data.structured import map_array
from vergence.errors import InputError
from vergence.motion.confidence import Trust, probability_of_arrival
from vergence.motion.flow import LEAST_SIDE, DenseFlow
from vergence.motion.track import is_cut
from vergence.progress import Progress
from vergence.propagation.segments import check_rates, seconds_between
from vergence.propagation.video_motion import working_frame
from vergence.selection.features import POOLED
from vergence.selection.reach import Reach, carried_weights
from vergence.selection.stored_arrays import REMEDY, shared_array

CELLS = POOLED[0] * POOLED[1]
"""A frame is covered cell by cell; cells are those of the features, so that each has a rarity."""
_WIDTH = 192
"""Width of the pictures that flow looks at; tracks have half of it."""
_FLUSH = 32
_NEAR = 0.1
_FORM = 1
"""Another number makes what is stored again."""


class Video(NamedTuple):
    """Rows of one video in order of time."""

    rows: tuple[int, ...]
    times: tuple[float, ...]
    """Seconds since the first."""


def videos(manifest: Manifest, seconds: float) -> list[Video]:
    """The rows of each sequence and camera; a gap of more than so many seconds begins another video."""
    streams: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(manifest):
        streams.setdefault((row.sequence, row.camera), []).append(index)
    cut = []
    for rows in streams.values():
        rows.sort(key=lambda index: manifest[index].position)
        times = [seconds_between(manifest, rows[0], row) for row in rows]
        ends = [end for end in range(1, len(rows)) if times[end] - times[end - 1] > seconds]
        for first, last in zip([0, *ends], [*ends, len(rows)], strict=True):
            cut.append(Video(tuple(rows[first:last]), tuple(time - times[first] for time in times[first:last])))
    return cut


def steps_within(video: Video, seconds: float) -> int:
    """The most frames between two of a video that are at most so many seconds apart."""
    last = [bisect.bisect_right(video.times, time + seconds) - 1 for time in video.times]
    return max(end - index for index, end in enumerate(last))


def is_video(manifest: Manifest, seconds: float) -> bool:
    """Whether most frames have another one of their video within so many seconds."""
    alone = sum(len(video.rows) == 1 for video in videos(manifest, seconds))
    return 2 * alone < len(manifest)


class VideoReach(Sequence[Reach]):
    """The share of the cells of its video's frames that each frame's label would reach; row by row.

    Args:
        array: (N, 2 S + 1, cells) uint8, share times 255 of the frames from S before to S after each frame.
        video_list: the videos.
        seconds: how far labels are carried.
    """

    def __init__(self, array: NDArray[np.uint8], video_list: Iterable[Video], seconds: float) -> None:
        self.array, self.steps, self.seconds = array, array.shape[1] // 2, seconds
        self.videos = list(video_list)
        self.where = {row: (video, index) for video in self.videos for index, row in enumerate(video.rows)}

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, row: int) -> Reach: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Reach]: ...
    def __getitem__(self, row: int | slice) -> Reach | Sequence[Reach]:
        """Targets are cells: frame times :data:`CELLS` plus the cell's number."""
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        rows, shares, _ = self.around(row)
        targets = rows[:, None] * CELLS + np.arange(CELLS)
        reached = shares > 0
        return Reach(targets[reached], shares[reached])

    def around(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Frames (n,) within reach in order of time, the shares (n, cells) of them, and seconds (n,) from the frame."""
        video, frame = self.where[row]
        low, high = max(0, frame - self.steps), min(len(video.rows), frame + self.steps + 1)
        shares = self.array[row, self.steps + low - frame : self.steps + high - frame] / 255.0
        times = np.array(video.times[low:high]) - video.times[frame]
        return np.array(video.rows[low:high], np.int64), shares, times


def compute_reach(
    manifest: Manifest, out: Path, seconds: float, rows: range, progress: Progress | None = None
) -> VideoReach:
    """Compute what is missing of these rows in ``out/reach.npy``; what pictures or settings have changed is missing.

    Memory holds the small pictures and flows of the frames around one frame, whatever the length of a video.

    Raises:
        InputError: no frame has a neighbour in time, OpenCV is not installed, a picture is too small, ``out`` cannot be
            written.
    """
    check_rates(manifest, seconds)
    all_videos = videos(manifest, seconds)
    steps = max(steps_within(video, seconds) for video in all_videos)
    if steps == 0:
        raise InputError(
            f"no frame of {manifest.name} has a neighbour within {seconds:g} seconds, so that no label can be carried: "
            "index the video that frames come from, give more --seconds, or choose with --criterion ds."
        )
    flow = DenseFlow("choose with --criterion ds")
    form = (len(manifest), 2 * steps + 1, CELLS)
    for name in ("reach.npy", "reach_checks.npy"):
        if (out / name).exists() and not _fits(out / name, form):
            (out / name).unlink()
    stored = VideoReach(shared_array(out / "reach.npy", "uint8", form), all_videos, seconds)
    checks = shared_array(out / "reach_checks.npy", "uint64", (len(manifest),))
    done, waiting = 0, list[tuple[int, int]]()

    def keep() -> None:  # a check says that the numbers before it are on disk
        for array in (stored.array, checks):
            if isinstance(array, np.memmap):
                array.flush()
            for row, check in waiting:
                checks[row] = check
        waiting.clear()

    try:
        for video in all_videos:
            states = [_state(manifest, row, time) for row, time in zip(video.rows, video.times, strict=True)]
            window = _Window(manifest, video, flow, steps)
            for index, row in enumerate(video.rows):
                if row not in rows:
                    continue
                check = _check(states, index, steps, seconds)
                if int(checks[row]) != check:
                    stored.array[row] = _reached(window, video, index, steps, seconds)
                    waiting.append((row, check))
                    if len(waiting) == _FLUSH:
                        keep()
                done += 1
                if progress is not None:
                    progress(done, len(rows))
    finally:
        keep()
    return stored


def open_reach(manifest: Manifest, out: Path, seconds: float) -> VideoReach:
    """What is there; InputError where it is not, or is damaged."""
    return VideoReach(map_array(out / "reach.npy", remedy=REMEDY), videos(manifest, seconds), seconds)


def _fits(path: Path, form: tuple[int, ...]) -> bool:
    """Whether a file is of these frames and so many steps."""
    shape = map_array(path, remedy=REMEDY).shape
    return shape == form[: len(shape)]


def _state(manifest: Manifest, row: int, time: float) -> str:
    return f"{file_state(manifest.path(row))}|{time:.4f}"


def _check(states: Sequence[str], index: int, steps: int, seconds: float) -> int:
    """A number, never 0, that changes with all that a row's reach depends on."""
    around = states[max(0, index - steps) : index + steps + 1]
    text = "\n".join([f"{_FORM} {_WIDTH} {seconds} {steps} {Trust()}", states[index], *around])
    return int(text_digest(text)[:16], 16) or 1


def _reached(window: "_Window", video: Video, index: int, steps: int, seconds: float) -> NDArray[np.uint8]:
    """(2 S + 1, cells): how much of each cell of the frames around a frame has the right label after carrying."""
    window.move(index)
    reached = np.zeros((2 * steps + 1, CELLS), np.uint8)
    reached[steps] = 255
    for other, weight in carried_weights(window.frame, video.times, window.pair, index, seconds):
        cells = F.adaptive_avg_pool2d(_share(weight)[None], POOLED).flatten()
        reached[steps + other - index] = (cells * 254).round().byte().numpy()  # never all of what has its own label
    return reached


def _share(weight: Tensor) -> Tensor:
    """Expected share of a pixel that is right, from the weight with which a label arrives; a little less from afar, so
    that choices spread where everything is reached."""
    return torch.where(weight > 0, (1 - _NEAR) * probability_of_arrival(weight) + _NEAR * weight, 0.0)


class _Window:
    """Small pictures and flows of the frames around one frame of a video."""

    def __init__(self, manifest: Manifest, video: Video, flow: DenseFlow, steps: int) -> None:
        self.manifest, self.video, self.flow, self.steps = manifest, video, flow, steps
        self.grey: dict[int, NDArray[np.uint8]] = {}
        self.frames: dict[int, Tensor] = {}
        self.pairs: dict[int, tuple[Tensor, Tensor] | None] = {}

    def move(self, centre: int) -> None:
        """Forget what lies too far before a frame."""
        for cache in (self.grey, self.frames, self.pairs):
            for old in [key for key in cache if key < centre - self.steps]:
                del cache[old]

    def frame(self, index: int) -> Tensor:
        """(3, h, w) in [0, 1]."""
        if index not in self.frames:
            self._load(index)
        return self.frames[index]

    def pair(self, index: int) -> tuple[Tensor, Tensor] | None:
        """Flow to the next frame and back, (2, h, w); None at a cut."""
        if index not in self.pairs:
            self.pairs[index] = self._pair(index)
        return self.pairs[index]

    def _pair(self, index: int) -> tuple[Tensor, Tensor] | None:
        self.frame(index), self.frame(index + 1)
        first, second = self.grey[index], self.grey[index + 1]
        if first.shape != second.shape:
            return None
        ahead, back = self.flow(first, second), self.flow(second, first)
        if is_cut(ahead, back):
            return None
        return _halved(ahead) / 2, _halved(back) / 2

    def _load(self, index: int) -> None:
        row = self.video.rows[index]
        entry = self.manifest[row]
        width = _WIDTH
        if entry.width:  # a wide strip must not become too flat for flow
            width = max(width, math.ceil(LEAST_SIDE * entry.width / entry.height))
        frame = working_frame(self.manifest, row, width)
        if min(frame.shape[-2:]) < LEAST_SIDE:
            raise InputError(
                f"{self.manifest.path(row)} is {frame.shape[-1]}x{frame.shape[-2]} at the most {width} wide, and flow "
                f"needs sides of {LEAST_SIDE} pixels; choose with --criterion ds."
            )
        self.grey[index] = (frame.mean(0) * 255).round().byte().numpy()
        self.frames[index] = _halved(frame)


def _halved(values: Tensor) -> Tensor:
    return F.avg_pool2d(values[None], 2)[0]


def each_way(reaches: VideoReach, row: int, least: float = 0.5) -> Iterator[tuple[int, float, float]]:
    """(frames, seconds, share of their cells) before and after a frame, as far as at least this share is reached."""
    _, shares, times = reaches.around(row)
    mean, centre = shares.mean(1), int(np.abs(times).argmin())
    for way in (range(centre - 1, -1, -1), range(centre + 1, len(mean))):
        reached = []
        for frame in way:
            if mean[frame] < least:
                break
            reached.append(frame)
        far = abs(float(times[reached[-1]])) if reached else 0.0
        yield len(reached), far, float(mean[reached].mean()) if reached else 0.0
