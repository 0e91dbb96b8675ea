"""PNG and TIFF files of several channels of 16 bits each, of which the usual decoder keeps only the upper halves."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.pictures import raw_mode, turned_like
from vergence.errors import InputError

_CHANNELS = {"rgb48": 3, "rgba64": 4, "ya16": 2}
_DEMUXERS = {"PNG": "png_pipe", "TIFF": "tiff_pipe"}


def has_deep_channels(image: Image.Image) -> bool:
    """Whether a picture from :func:`~vergence.data.pictures.open_picture` has two or more channels of 16 bits."""
    return image.format in _DEMUXERS and re.match(r"(RGB[AXa]?|LA);16", raw_mode(image)) is not None


def read_channels(image: Image.Image, path: Path | str) -> NDArray[np.uint16]:
    """All channels (H, W, C) uint16 of a picture with :func:`has_deep_channels`, upright; InputError if damaged."""
    import av  # slow to import; few files need it

    try:
        with Path(path).open("rb") as file, av.open(file, "r", format=_DEMUXERS[str(image.format)]) as container:
            frame = next(container.decode(video=0))
        kind, order = frame.format.name[:-2], {"le": "<", "be": ">"}[frame.format.name[-2:]]
        plane, channels = frame.planes[0], _CHANNELS[kind]
        rows = np.frombuffer(bytes(plane), dtype=np.uint8).reshape(-1, plane.line_size)
        used = np.ascontiguousarray(rows[: frame.height, : frame.width * channels * 2]).view(f"{order}u2")
        return turned_like(image, used.reshape(frame.height, frame.width, channels).astype(np.uint16))
    except (av.FFmpegError, OSError, StopIteration, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged or truncated ({error}); copy it again or take its row out.") from error
