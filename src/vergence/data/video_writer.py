"""Pictures to an MP4 file."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.errors import InputError

_CODECS = ("libx264", "libopenh264", "mpeg4")


def write_video(path: Path | str, pictures: Iterable[NDArray[np.uint8]], fps: float) -> Path:
    """Write (H, W, 3) uint8 pictures of one size as MP4, whole or not at all.

    An odd last row or column is left out (the format stores colour for pairs of pixels).

    Raises:
        InputError: no picture, pictures of several sizes, no usable codec, or the file cannot be written.
    """
    import av

    codec = next((name for name in _CODECS if name in av.codecs_available), None)
    if codec is None:
        raise InputError("this PyAV has no video encoder (H.264 or MPEG-4); install the av wheel from PyPI.")
    rate = Fraction(fps).limit_denominator(1001)
    size: tuple[int, int] | None = None
    with writing(path) as temporary:
        try:
            with av.open(str(temporary), "w") as container:
                stream: Any = container.add_stream(codec, rate=rate)
                for picture in pictures:
                    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
                    if size is None:
                        size = (height, width)
                        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
                        stream.options = {"crf": "18"} if codec == "libx264" else {}
                        stream.bit_rate = 0 if codec == "libx264" else max(2_000_000, 8 * height * width)
                    if size != (height, width):
                        raise InputError(f"{path} needs pictures of one size, got {width}x{height} after "
                                         f"{size[1]}x{size[0]}; write one video for each size.")  # fmt: skip
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
                    container.mux(stream.encode(frame))
                if size is None:
                    raise InputError(f"{path} would be a video without pictures; give at least one frame.")
                container.mux(stream.encode())
        except av.FFmpegError as error:
            raise InputError(f"{path} cannot be written as a video ({error}); give another place or format.") from error
    return Path(path)
