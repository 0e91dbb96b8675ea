"""Estimated inverse depth as grey pictures: what DepthMix, selection and adaptation compare; the scale is free."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.atomic import writing
from vergence.data.pictures import open_picture
from vergence.errors import InputError


def write_estimate(path: Path | str, inverse_depth: NDArray[np.floating], bits: int = 16) -> Path:
    """Write inverse depth (H, W), near is large, min-max normalised, as a PNG, whole or not at all.

    With 8 bits values are truncated as the official Three Ways program does (section 6), with 16 bits rounded.

    Raises:
        InputError: values that are not finite, or all equal.
        ValueError: another shape, or other bits.
    """
    if inverse_depth.ndim != 2 or inverse_depth.size == 0 or bits not in (8, 16):
        raise ValueError(f"expected inverse depth (H, W) and 8 or 16 bits, got {inverse_depth.shape} and {bits}")
    scaled = minmax(_varied(_finite(inverse_depth, path), path))
    return _store(path, (scaled * 255).astype(np.uint8) if bits == 8 else np.rint(scaled * 65535).astype(np.uint16))


def write_sigmoid(path: Path | str, disparity: NDArray[np.floating]) -> Path:
    """Write the sigmoid output (H, W) of a depth network as a 16-bit PNG of round(65535 sigma), as CorDA's files are.

    It is an estimate for :func:`read_estimate` too, which normalises when it reads.

    Raises:
        InputError: values that are not finite, or all equal once they are rounded.
        ValueError: another shape, or values outside [0, 1].
    """
    if disparity.ndim != 2 or disparity.size == 0:
        raise ValueError(f"expected disparity (H, W), got {disparity.shape}")
    _finite(disparity, path)
    if disparity.min() < 0 or disparity.max() > 1:
        raise ValueError(f"expected sigmoid output between 0 and 1, got {disparity.min():g} to {disparity.max():g}")
    stored = np.rint(disparity.astype(np.float64) * 65535).astype(np.uint16)
    _varied(stored, path)
    return _store(path, stored)


def read_sigmoid(path: Path | str) -> NDArray[np.uint16]:
    """The stored values (H, W) of a 16-bit estimate; InputError where it is missing, unreadable, or of 8 bits."""
    image = open_picture(path)
    if not image.mode.startswith("I"):
        raise InputError(
            f"{path} has mode {image.mode}, expected a grey 16-bit picture of a depth network's output; make the "
            "estimates again with 16 bits."
        )
    return np.asarray(image).astype(np.uint16)


def _finite(values: NDArray[np.floating], path: Path | str) -> NDArray[np.floating]:
    if not np.isfinite(values).all():
        raise InputError(
            f"estimated depth for {path} has {np.count_nonzero(~np.isfinite(values))} values that are not "
            "finite; check the depth network, or the files it is from."
        )
    return values


def _store(path: Path | str, stored: NDArray[np.unsignedinteger]) -> Path:
    with writing(path) as temporary:
        Image.fromarray(stored).save(temporary, format="PNG", compress_level=1)
    return Path(path)


def read_estimate(path: Path | str) -> NDArray[np.float32]:
    """Estimated inverse depth (H, W) float32: the greys of an 8- or 16-bit picture, min-max normalised to [0, 1].

    Raises:
        InputError: missing, unreadable, not grey, or all of one value.
    """
    image = open_picture(path)
    if image.mode != "L" and not image.mode.startswith("I"):
        raise InputError(
            f"{path} has mode {image.mode}, expected a grey 8- or 16-bit picture of estimated inverse depth; "
            "make the estimates again."
        )
    return minmax(_varied(np.asarray(image), path))


def minmax(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Shift and scale values, not all equal, to [0, 1]."""
    numbers = values.astype(np.float32)
    low, high = numbers.min(), numbers.max()
    return np.asarray((numbers - low) / (high - low))


def _varied(values: NDArray[np.generic], path: Path | str) -> NDArray[np.generic]:
    first = np.float32(values.flat[0])
    if (values.astype(np.float32) == first).all():
        raise InputError(
            f"estimated depth {path} is {first:g} everywhere; a depth network that has collapsed gives such maps: "
            "choose another one, or take the frame out."
        )
    return values
