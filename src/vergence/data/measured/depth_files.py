"""Depth maps as files and as colours: 16-bit PNG, NumPy arrays, colour pictures with a range that is said."""

import functools
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.atomic import writing
from vergence.data.pictures import open_picture
from vergence.errors import InputError

METRES_FACTOR = 256.0
"""KITTI's convention: stored value = metres * 256; 0 = no depth."""
_LARGEST = 65535
_LEVEL = 1
"""Level of PNG's compression: 10 % larger than level 6 for 16 bits of depth, in a fifth of the time."""
Pictures = Literal["jpeg", "png"]
"""Formats of pictures that are for people (what programs read is always stored without loss). JPEG is a tenth of the
work of PNG, and a quarter of its size."""
_QUALITY = {"quality": 95, "subsampling": 0}
"""Settings of JPEG: colours at full size, so that the edges of classes and depths stay."""


class ColourRange(NamedTuple):
    """Inverse depths that get the first and the last colour of a map."""

    low: float
    high: float


def stored_depth(depth: NDArray[np.floating], factor: float = METRES_FACTOR) -> NDArray[np.uint16]:
    """Depth (H, W) as 16-bit numbers, round(depth * factor).

    0, negative and not finite become 0 (no depth); what is too large for 16 bits becomes 65535 (at least that far);
    what is too small but positive becomes 1.
    """
    if depth.ndim != 2:
        raise ValueError(f"expected depth (H, W), got {depth.shape}")
    valid = np.isfinite(depth) & (depth > 0)
    stored = np.where(valid, np.clip(np.rint(np.where(valid, depth, 0) * factor), 1, _LARGEST), 0)
    return stored.astype(np.uint16)


def write_depth_png(path: Path | str, depth: NDArray[np.floating], factor: float = METRES_FACTOR) -> Path:
    """Write depth (H, W) as a 16-bit PNG of :func:`stored_depth`."""
    stored = stored_depth(depth, factor)
    with writing(path) as temporary:
        Image.fromarray(stored).save(temporary, format="PNG", compress_level=_LEVEL)
    return Path(path)


def read_depth_png(path: Path | str, factor: float = METRES_FACTOR) -> NDArray[np.float32]:
    """Read a depth map written by :func:`write_depth_png`: (H, W) float32, 0 = none. InputError if it is not one."""
    image = open_picture(path)
    if not image.mode.startswith("I"):
        raise InputError(f"{path} is not a 16-bit PNG (its mode is {image.mode}); give a depth map.")
    return (np.asarray(image).astype(np.float64) / factor).astype(np.float32)


def write_array(path: Path | str, array: NDArray[np.generic]) -> Path:
    """Write one ``.npy`` file atomically."""
    with writing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return Path(path)


def suffix_of(pictures: Pictures) -> str:
    """The suffix of files in a format; InputError where it is unknown."""
    if pictures not in get_args(Pictures):
        raise InputError(f"pictures is {pictures!r}; give jpeg or png.")
    return "jpg" if pictures == "jpeg" else "png"


def write_picture(path: Path | str, picture: NDArray[np.uint8]) -> Path:
    """Write an (H, W, 3) or (H, W) uint8 picture atomically; the suffix names the format, .jpg or .png."""
    how: dict[str, Any] = _QUALITY if Path(path).suffix == ".jpg" else {"compress_level": _LEVEL}
    with writing(path) as temporary:
        Image.fromarray(picture).save(temporary, **how)
    return Path(path)


def colour_range(values: NDArray[np.floating], low: float = 2.0, high: float = 98.0) -> ColourRange:
    """The percentiles ``low`` and ``high`` of the positive finite values; (0, 1) if there are none."""
    seen = values[np.isfinite(values) & (values > 0)]
    if seen.size == 0:
        return ColourRange(0.0, 1.0)
    first, last = (float(value) for value in np.percentile(seen, (low, high)))
    return ColourRange(first, last if last > first else first + max(abs(first), 1e-6) * 1e-3)


def depth_marks(limits: ColourRange, metric: bool) -> tuple[str, str, str]:
    """What to write at a bar of inverse depth in colours: the depth at its far end, middle and near end.

    Example:
        >>> depth_marks(ColourRange(0.0, 0.25), metric=True)
        ('∞', '8 m', '4 m')
    """
    marks, unit = (limits.low, (limits.low + limits.high) / 2, limits.high), " m" if metric else ""
    far, middle, near = (f"{1 / mark:.3g}{unit}" if mark > 1e-9 else "∞" for mark in marks)
    return far, middle, near


def colourize(
    values: NDArray[np.floating], limits: ColourRange, colour_map: str = "magma", empty: int = 40
) -> NDArray[np.uint8]:
    """Colours (H, W, 3) uint8 of a map (H, W); what is not finite is grey of brightness ``empty``."""
    valid = np.isfinite(values)
    scaled = (np.where(valid, values, limits.low) - limits.low) / (limits.high - limits.low)
    colours = _table(colour_map).take(np.clip(scaled * 255, 0, 255).round().astype(np.uint8), axis=0)
    colours[~valid] = empty
    return colours


@functools.cache
def _table(colour_map: str) -> NDArray[np.uint8]:
    """The 256 colours of a map (256, 3)."""
    from matplotlib import colormaps  # slow to import; only pictures need it

    return (colormaps[colour_map](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
