"""Class ids that a trained method predicts for pictures, as a first guess for people who draw labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vergence.data.imaging.images import open_image
from vergence.data.labels import LabelSpace
from vergence.errors import InputError
from vergence.inference.class_files import classes_of
from vergence.inference.predictor import load


class Prelabeller:
    """Labels image files with a segmentation run.

    Raises:
        InputError: no run, or one that predicts no classes.
    """

    def __init__(self, run: Path | str, device: str = "auto") -> None:
        self._predictor = load(run, device)
        space = self._predictor.network.label_space
        if space is None:
            raise InputError(f"{run} predicts no classes; give the run of a segmentation model.")
        self.space: LabelSpace = space
        """What the ids mean."""

    def __call__(self, path: Path | str) -> NDArray[np.uint8]:
        """Ids (H, W) uint8 at the image's own size; InputError where it cannot be read."""
        image = open_image(path)
        network = self._predictor.network
        logits = network.maps([network.prepare(image)])["logits"][0]
        return classes_of(logits, (image.height, image.width), confidence=False).ids
