"""Class ids that a trained method predicts for pictures, as a first guess for people who draw labels."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.images import open_image
from vergence.data.labels import LabelSpace
from vergence.engine.checkpoint import load_run
from vergence.engine.inputs import on_device, to_network
from vergence.engine.predict_classes import classes_of
from vergence.errors import InputError


class Prelabeller:
    """Labels image files with a segmentation run.

    Raises:
        InputError: no run, or one that predicts no classes.
    """

    def __init__(self, run: Path | str, device: str = "auto") -> None:
        self._run = load_run(run, device)
        space = self._run.method.label_space
        if "segmentation" not in self._run.method.tasks or space is None:
            raise InputError(f"{run} predicts no classes; give the run of a segmentation model.")
        self.space: LabelSpace = space
        """What the ids mean."""

    @torch.no_grad()
    def __call__(self, path: Path | str) -> NDArray[np.uint8]:
        """Ids (H, W) uint8 at the image's own size; InputError where it cannot be read."""
        image = open_image(path)
        method = self._run.method
        device = next(method.parameters()).device
        batch = on_device([to_network(image, self._run.config.frames.options)], device)
        return classes_of(method.predict(batch)["logits"][0], (image.height, image.width), confidence=False).ids
