"""The one pass over the frames of a prediction: read, look, write, film, each in threads, in order and bounded."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.imaging.images import read_image
from vergence.data.videos.video_writer import Add, video_file
from vergence.inference.earlier_results import Files, Results
from vergence.inference.frame_streams import Frame, FrameStream
from vergence.inference.inputs import prefetched
from vergence.inference.predictor import Maps, Predictor, Seen
from vergence.inference.steady import Steadier
from vergence.inference.tracker_files import TrackerFiles
from vergence.inference.video_legend import Legend
from vergence.progress import Progress

Shown = list[NDArray[np.uint8] | None]
"""What of a frame each kind of file shows, (H, W, 3), where it was written."""
_MOST_THREADS = 16


class FramePass:
    """Frames to files.

    No more frames are held than a batch and a few for each processor, however many there are.

    Args:
        predictor: looks at them.
        steadier: joins their depth, None where it stays as it is.
        known: what was said of some of them before, by their names.
        files: the kinds of files.
        record: what is one for all frames.
    """

    def __init__(
        self, predictor: Predictor, steadier: Steadier | None, known: Mapping[str, Maps], out: Path,
        files: list[Files], record: dict[str, Any],
    ) -> None:  # fmt: skip
        self.predictor, self.steadier, self.known, self.out = predictor, steadier, known, out
        self.files, self.record = files, record
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.threads = min(_MOST_THREADS, cores)

    def written(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, Shown]]:
        """Each frame in order, when its files are whole; InputError where one cannot be read or written."""
        for (frame, _), shown in prefetched(self._write, self._predicted(frames), self.threads, self.threads + 2):
            yield frame, shown

    def _predicted(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, list[Any]]]:
        ready = prefetched(self._prepare, frames, self.threads, self.threads + self.predictor.batch_size)
        looked_at = self.predictor.looked_at(
            ((frame, picture), Seen(self.known[frame.name]) if frame.name in self.known else picture)
            for frame, picture in ready
        )
        plain = ((frame, maps) for (frame, _), maps in looked_at)
        for frame, maps in plain if self.steadier is None else self.steadier(looked_at):
            yield frame, [kind.prepare(frame, maps) for kind in self.files]

    def _prepare(self, frame: Frame) -> Any:
        return self.predictor.network.prepare(frame.image)

    def _write(self, pair: tuple[Frame, list[Any]]) -> Shown:
        frame, prepared = pair
        return [kind.write(frame, one, self.out, self.record) for kind, one in zip(self.files, prepared, strict=True)]


class Films:
    """The videos of a prediction: one of each kind of file that has something to show.

    Args:
        side_by_side: the input above the colours.
        legend: what the colours mean, below them.
    """

    def __init__(self, out: Path, files: list[Files], fps: float, side_by_side: bool, legend: bool = True) -> None:
        self.out, self.files, self.fps, self.side_by_side, self.legend = out, files, fps, side_by_side, legend
        self.names = [kind.picture for kind in files if kind.picture]
        self._adds: dict[str, Add] = {}
        self._legends: dict[str, Legend] = {}

    @contextlib.contextmanager
    def opened(self, record: dict[str, Any]) -> Iterator["Films"]:
        """Files that grow by :meth:`add` and are there when the context ends well.

        Args:
            record: what is one for all frames.
        """
        if self.legend:
            shown = (kind for kind in self.files if not isinstance(kind, TrackerFiles))
            self._legends = {kind.picture: kind.legend(self.out, record) for kind in shown}
        with contextlib.ExitStack() as stack:
            for name in self.names:
                self._adds[name] = stack.enter_context(video_file(self.out / f"{name}.mp4", self.fps))
            yield self

    def add(self, frame: Frame, shown: Shown) -> None:
        """The next frame, and what its files show."""
        for kind, picture in zip(self.files, shown, strict=True):
            if kind.picture and picture is not None:
                parts = [np.asarray(frame.image), picture] if self.side_by_side else [picture]
                if self.legend:
                    parts.append(self._legends[kind.picture](picture.shape[1], frame.name))
                self._adds[kind.picture](np.concatenate(parts))

    def of_files(self, stream: FrameStream, record: dict[str, Any]) -> None:
        """Make them of the files of all frames, some of which an earlier call wrote."""
        with self.opened(record):
            for frame in stream.frames():
                self.add(frame, [self._stored(kind, frame.name) for kind in self.files])

    def _stored(self, kind: Files, name: str) -> NDArray[np.uint8] | None:
        return read_image(kind.paths(self.out, name)[kind.picture]) if kind.picture else None


def write_frames(
    frame_pass: FramePass, stream: FrameStream, skipped: frozenset[str], results: Results, films: Films | None,
    progress: Progress | None,
) -> list[str]:  # fmt: skip
    """Predict and write frame after frame; gives the names of all frames, written now or before.

    Args:
        skipped: names of the frames whose files stay.
        films: the videos that are made of the same frames; None where some are skipped, or none are wanted.
    """
    names = sorted(skipped)
    with films.opened(frame_pass.record) if films is not None else contextlib.nullcontext():
        written = frame_pass.written(stream.frames(skipped))
        if films is not None:  # a thread of its own, so that nothing waits for it, and in order
            written = (pair for pair, _ in prefetched(lambda pair: films.add(*pair), written, threads=1, ahead=4))
        for frame, _ in written:
            results.written(frame.name)
            names.append(frame.name)
            if progress is not None:
                progress(len(names), max(len(stream), len(names)))
    return names
