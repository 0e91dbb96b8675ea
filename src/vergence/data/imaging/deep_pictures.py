"""Pictures of more than 8 bits a channel: scaled by the range that their camera has, the same for all of a folder.

Twelve bits lie in files of sixteen, integers of 32 bits hold sixteen, floating point goes to 1, 255 or
likewise. The range is inferred as a power of two from all pictures of a folder (a part, evenly spaced, where there are
many): a range of each picture's own would make brightness flicker, which photometric losses take for motion. Pictures
that use a small part of such a range, as of thermal cameras, get a black level too: else few grey levels would be left.
"""

import functools
import logging
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.buckets.addresses import is_remote
from vergence.data.buckets.remote import names_beside
from vergence.data.buckets.remote_store import NoAnswer
from vergence.data.environment import positive
from vergence.data.pictures import WHITE_LEVEL, header_modes, is_inverted, open_picture, raw_mode, turned_like
from vergence.errors import InputError

_BITS = (8, 10, 12, 14, 16, 20, 24, 32)
_FLOAT_RANGES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_OVERSHOOT = 0.1
"""Share of the range by which floating point may lie outside of it: resizing filters do so."""
_LOOKED_AT = 64
_ENDS = (0.2, 99.8)
"""Percentiles that stand for the darkest and the brightest: cameras have dead pixels."""
_NARROW = 1 / 5
"""Share of the range below which pictures that use so much only would be left with too few grey levels."""
_DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".pgm", ".ppm"})
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1
_CHANNELS = {"rgb48": 3, "rgba64": 4, "ya16": 2}
_DEMUXERS = {"PNG": "png_pipe", "TIFF": "tiff_pipe"}
"""PNG and TIFF files of several channels of 16 bits: PIL keeps only the upper halves."""
_log = logging.getLogger("vergence")


class Levels(NamedTuple):
    """Stored values that become 0 and 255."""

    black: float
    white: float


def is_deep(image: Image.Image) -> bool:
    """Whether a picture from :func:`~vergence.data.pictures.open_picture` has more than 8 bits a channel."""
    return image.mode == "F" or image.mode.startswith("I") or has_deep_channels(image)


def to_eight_bits(image: Image.Image, path: Path | str) -> Image.Image:
    """A picture for which :func:`is_deep` as 8-bit grey or RGB; how it is scaled is said once for a folder.

    Raises:
        InputError: negative or not finite numbers, floating point above 65535, brighter than all pictures of its
            folder that were looked at, or a :data:`WHITE_LEVEL` that is no number.
    """
    path = Path(path)
    stored = _numbers(image, path)
    stated = _stated_white() or _declared_white(image, path)
    levels = Levels(0.0, stated) if stated else _checked_levels(stored, path)
    if stored.dtype.kind == "f" or levels.black:
        scaled = np.rint((stored.astype(np.float64) - levels.black) * (255 / (levels.white - levels.black)))
    else:  # the upper 8 bits, where white is a power of two less one
        scaled = np.floor(stored.astype(np.float64) * (256 / (levels.white + 1)))
    grey = np.clip(scaled, 0, 255).astype(np.uint8)
    return Image.fromarray(255 - grey if is_inverted(image) else grey)


def decoding(path: Path | str) -> str:
    """A text that changes where the same file would be decoded into other pixels: part of a cached frame's name."""
    return f"3|{range_mark(path)}"


def range_mark(path: Path | str) -> str:
    """How a picture of more than 8 bits is scaled, which its file alone does not say, as text; "" of others."""
    path = Path(path)
    if path.suffix.lower() not in _DEEP_SUFFIXES:
        return ""
    if _stated_white():
        return os.environ[WHITE_LEVEL]
    if is_remote(path) and not _begins_deep(path.absolute().parent, path.suffix, path):
        return ""
    return "|".join(f"{low:g} {high:g}" for low, high in _ranges_of_folder(path.absolute().parent, path.suffix))


_DEEP_FOLDERS: dict[tuple[Path, str], bool] = {}
"""Folders of stores: whether the first picture that was asked for is deep. Listing them all may take minutes."""


def _begins_deep(folder: Path, suffix: str, path: Path) -> bool:
    if (folder, suffix) not in _DEEP_FOLDERS:
        mode, raw = header_modes(path)
        _DEEP_FOLDERS[folder, suffix] = mode.startswith(("I", "F")) or ";16" in raw
    return _DEEP_FOLDERS[folder, suffix]


@functools.lru_cache(maxsize=256)
def _ranges_of_folder(folder: Path, suffix: str) -> list[Levels]:
    """Ranges of the kinds of deep pictures in a folder; none where its first picture is not deep."""
    first = min((name for name in names_beside(folder) if name.endswith(suffix)), default="")
    try:
        mode, raw = header_modes(folder / first)
        if not (mode.startswith(("I", "F")) or ";16" in raw):
            return []
        return [_levels_of_folder(folder, suffix, "f" if mode == "F" else "u")]
    except NoAnswer:
        raise
    except InputError:
        return []  # said when it is its turn


def _checked_levels(stored: NDArray[Any], path: Path) -> Levels:
    """The levels of a picture's folder; InputError where the picture is brighter."""
    levels = _levels_of_folder(path.absolute().parent, path.suffix, stored.dtype.kind)
    if not levels.black and float(stored.max(initial=0)) > levels.white * (1 + _OVERSHOOT * (stored.dtype.kind == "f")):
        raise InputError(
            f"{path} has the value {stored.max():g}, brighter than the pictures of its folder by which "
            f"{levels.white:g} was taken for white; set {WHITE_LEVEL} to the value that is white, such as 65535."
        )
    return levels


def _stated_white() -> float:
    return positive(WHITE_LEVEL, 0.0, 2**32, "give the stored value that is white, such as 4095.")


def _declared_white(image: Image.Image, path: Path) -> float:
    """White where the file says it: PPM files are scaled to 16 bits when they are read, TIFF files count their bits."""
    if image.format == "PPM":
        return 65535.0 if image.mode != "F" else 0.0
    packed = {"I;10": 10, "I;12": 12, "I;14": 14}.get(raw_mode(image)[:4], 0)
    return float(2**packed - 1)


@functools.lru_cache(maxsize=256)
def _levels_of_folder(folder: Path, suffix: str, kind: str) -> Levels:
    """Black and white of the pictures of a folder: integers ("u"), or floating point ("f")."""
    names = sorted(name for name in names_beside(folder) if name.endswith(suffix))
    indices = np.unique(np.linspace(0, len(names) - 1, min(len(names), _LOOKED_AT)).round().astype(int))
    most, low, high = 0.0, math.inf, 0.0
    for name in (names[index] for index in indices):
        try:
            image = open_picture(folder / name)
            stored = _numbers(image, folder / name) if is_deep(image) else np.zeros(0, np.uint16)
        except NoAnswer:  # without this one white may be another
            raise
        except InputError:
            continue  # said when it is its turn
        if stored.dtype.kind == kind and stored.size:
            most = max(most, float(stored.max()))
            ends = np.percentile(stored, _ENDS)
            low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    white = _white(most, kind, folder)
    if low < high < low + white * _NARROW:
        margin = (high - low) / 4
        levels = Levels(low - margin, high + margin)
        _log.warning(
            "%s: pictures of more than 8 bits that use %g to %g of the range to %g only, as thermal cameras do: %g is "
            "taken for black and %g for white (set %s to what is white where black is 0)",
            *(folder, low, high, white, *levels, WHITE_LEVEL),
        )
        return levels
    _log.info(
        "%s: pictures of more than 8 bits, with values up to %g: %g is taken for white (set %s where it is another)",
        *(folder, most, white, WHITE_LEVEL),
    )
    return Levels(0.0, white)


def _white(most: float, kind: str, folder: Path) -> float:
    """The end of the range that holds the value ``most``."""
    if kind == "u":
        return float(2 ** next(bits for bits in _BITS if most < 2**bits) - 1)
    white = next((one for one in _FLOAT_RANGES if most <= one * (1 + _OVERSHOOT)), 0.0)
    if not white:
        raise InputError(
            f"{folder} has pictures in floating point up to {most:g}, expected at most 65535; save them in "
            f"such a range, or set {WHITE_LEVEL} to the value that is white."
        )
    return white


def _numbers(image: Image.Image, path: Path) -> NDArray[Any]:
    """The stored values (H, W) or (H, W, 3), unsigned integers or floating point; InputError where they make none."""
    stored: NDArray[Any] = np.asarray(image)
    if has_deep_channels(image):
        channels = read_channels(image, path)
        stored = channels[..., :3] if channels.shape[-1] > 2 else channels[..., 0]
    if stored.dtype.kind == "f":
        if not np.isfinite(stored).all():
            raise InputError(f"{path} has values that are not finite; save it again without them.")
        if stored.min(initial=0) < -_OVERSHOOT * max(1.0, float(stored.max(initial=0))):
            raise InputError(f"{path} has the value {stored.min():g}, expected none below 0; save it in such a range.")
        return stored
    if stored.dtype == np.int32 and _is_unsigned(image):
        stored = stored.view(np.uint32)
    if stored.min(initial=0) < 0:
        raise InputError(f"{path} has the value {stored.min()}, expected none below 0; save it as unsigned integers.")
    return stored.astype(np.uint32)


def _is_unsigned(image: Any) -> bool:
    tags = getattr(image, "tag_v2", {})
    return raw_mode(image).startswith("I;32") and "S" not in raw_mode(image) and bool(tags)


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
