"""Estimated inverse depth as grey pictures: what DepthMix, selection and adaptation compare; the scale is free."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.errors import InputError


def write_estimate(path: Path, inverse_depth: NDArray[np.floating], bits: int = 16) -> None:
    """Write inverse depth (H, W), near is large, min-max normalised, as a PNG of 8 or 16 bits, whole or not at all.

    Values are truncated as the official Three Ways program does (section 6). A constant map is stored as zeros.

    Raises:
        InputError: values are not finite.
    """
    if not np.isfinite(inverse_depth).all():
        raise InputError(f"estimated depth for {path.name} is not finite; check the depth network or files it is from.")
    top = (1 << bits) - 1
    values = (minmax(inverse_depth) * top).astype(np.uint16 if bits == 16 else np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(suffix=".png", dir=path.parent)
    os.close(handle)
    Image.fromarray(values).save(partial, compress_level=1)
    os.replace(partial, path)


def read_estimate(path: Path) -> NDArray[np.float32]:
    """Estimated inverse depth (H, W) in [0, 1]: the stored greys, min-max normalised; zeros where all are equal.

    Raises:
        InputError: missing, unreadable, or not grey.
    """
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as estimated depth ({error}); make the estimates again.") from error
    if values.ndim != 2:
        raise InputError(f"{path} has shape {values.shape}, expected a grey picture of estimated inverse depth.")
    return minmax(values).astype(np.float32)


def minmax(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Shift and scale to [0, 1]; zeros where all values are equal."""
    numbers = values.astype(np.float64)
    low, high = numbers.min(), numbers.max()
    return (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
