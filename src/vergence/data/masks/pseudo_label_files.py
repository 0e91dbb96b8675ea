"""Pseudo-labels as files: class ids that a model guessed and, beside them, how sure it was."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.batch import IGNORED_LABEL
from vergence.data.label_space import LabelSpace
from vergence.data.masks.label_pictures import read_label
from vergence.data.pictures import open_picture
from vergence.errors import InputError

_ASPECT = 1.02
"""Pseudo-labels may be larger or smaller than the image, but not of another shape."""


def read_pseudo_label(
    label: Path | str, confidence: Path | str | None, size: tuple[int, int], space: LabelSpace | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Class ids (h, w) uint8, 255 = none, and confidence (h, w) uint8, 255 = sure and 0 where there is no class.

    Args:
        label: see :func:`~vergence.data.imaging.images.read_label`.
        confidence: 8-bit grey picture; None means sure everywhere.
        size: (H, W) of the image, whose aspect the label must have.
        space: what the ids mean; they are checked against it.

    Raises:
        InputError: unreadable, of another aspect than the image, an id that the space lacks, confidence that is not
            grey or not of the label's size.
    """
    ids = read_label(label, space=space)
    (h, w), (height, width) = ids.shape, size
    if not 1 / _ASPECT < (w / h) / (width / height) < _ASPECT:  # small ones are rounded more than check_aspect allows
        raise InputError(
            f"pseudo-label {label} is {w}x{h} and its image {width}x{height}; give labels of the same picture, whole "
            "and of the same aspect."
        )
    if confidence is None:
        return ids, np.where(ids == IGNORED_LABEL, 0, 255).astype(np.uint8)
    sure = read_confidence(confidence, (h, w))
    sure[ids == IGNORED_LABEL] = 0
    return ids, sure


def read_confidence(path: Path | str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """How sure a label of this size (H, W) is, uint8, value / 255; InputError if it is not grey or of another size."""
    image = open_picture(path)
    if image.mode != "L":
        raise InputError(
            f"confidence {path} has mode {image.mode}, expected an 8-bit grey picture of 255 times the probability; "
            "write it again with vergence predict --confidence, or vergence labels propagate."
        )
    sure = np.array(image)
    if sure.shape != size:
        raise InputError(
            f"confidence {path} is {sure.shape[1]}x{sure.shape[0]}, but its label is {size[1]}x{size[0]}; give both of "
            "one prediction."
        )
    return sure
