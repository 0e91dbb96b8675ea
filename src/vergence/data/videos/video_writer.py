"""Pictures to an MP4 file."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.errors import InputError

_CODECS = ("libx264", "libopenh264", "mpeg4")
_X264 = {"crf": "18", "preset": "superfast"}
"""Measured on driving at 1242x750: files as large as of x264's own preset, in a fifth of the time."""
Add = Callable[[NDArray[np.uint8]], None]


def write_video(path: Path | str, pictures: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write (H, W, 3) uint8 pictures of one size as MP4, whole or not at all; see :func:`video_file`."""
    with video_file(path, fps) as add:
        for picture in pictures:
            add(picture)
    return Path(path)


@contextlib.contextmanager
def video_file(path: Path | str, fps: float) -> Iterator[Add]:
    """An MP4 file that grows picture by picture, (H, W, 3) uint8 of one size; it is there when the context ends well.

    An odd last row or column is left out (the format stores colour for pairs of pixels).

    Yields:
        What adds a picture; one call at a time, from any thread.

    Raises:
        InputError: no picture, pictures of several sizes, no usable codec, or the file cannot be written.
    """
    import av

    codec = next((name for name in _CODECS if name in av.codecs_available), None)
    if codec is None:
        raise InputError("this PyAV has no video encoder (H.264 or MPEG-4); install the av wheel from PyPI.")
    with writing(path) as temporary:
        try:
            with av.open(str(temporary), "w") as container:
                encoder = _Encoder(container, codec, Fraction(fps).limit_denominator(1001), Path(path))
                yield encoder.add
                encoder.finish()
        except av.FFmpegError as error:
            raise InputError(f"{path} cannot be written as a video ({error}); give another place or format.") from error


class _Encoder:
    """The stream of a container that is being written."""

    def __init__(self, container: Any, codec: str, rate: Fraction, path: Path) -> None:
        self.container, self.codec, self.path = container, codec, path
        self.stream: Any = container.add_stream(codec, rate=rate)
        self.size: tuple[int, int] | None = None

    def add(self, picture: NDArray[np.uint8]) -> None:
        import av

        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        if self.size is None:
            self._begin(height, width)
        if self.size != (height, width):
            assert self.size is not None
            raise InputError(f"{self.path} needs pictures of one size, got {width}x{height} after "
                             f"{self.size[1]}x{self.size[0]}; write one video for each size.")  # fmt: skip
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
        self.container.mux(self.stream.encode(frame))

    def _begin(self, height: int, width: int) -> None:
        self.size, x264 = (height, width), self.codec == "libx264"
        self.stream.height, self.stream.width, self.stream.pix_fmt = height, width, "yuv420p"
        self.stream.options = dict(_X264) if x264 else {}
        self.stream.bit_rate = 0 if x264 else max(2_000_000, 8 * height * width)

    def finish(self) -> None:
        if self.size is None:
            raise InputError(f"{self.path} would be a video without pictures; give at least one frame.")
        self.container.mux(self.stream.encode())
