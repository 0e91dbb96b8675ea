"""PNG files of several channels of 16 bits each, of which the usual decoder keeps only the upper halves."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.errors import InputError

_CHANNELS = {2: 3, 4: 2, 6: 4}
"""PNG colour type -> channels: RGB, grey with alpha, RGB with alpha."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def has_deep_channels(path: Path | str) -> bool:
    """Whether a file is a PNG of two or more channels of 16 bits; False where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(26)
    except OSError:
        return False
    return len(start) == 26 and start.startswith(_SIGNATURE) and start[24] == 16 and start[25] in _CHANNELS


def read_first_channel(path: Path | str) -> NDArray[np.uint16]:
    """The first channel (H, W) uint16 of a file with :func:`has_deep_channels`; InputError where it is damaged."""
    import av  # slow to import; few files need it

    with Path(path).open("rb") as file:
        channels = _CHANNELS[file.read(26)[25]]
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
        plane = frame.planes[0]
        rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        used = np.ascontiguousarray(rows[: frame.height, : frame.width * channels * 2])
        return used.view(">u2")[:, ::channels].astype(np.uint16)
    except (av.FFmpegError, StopIteration, ValueError) as error:
        raise InputError(f"{path} is damaged or truncated ({error}); copy it again or take its row out.") from error
