"""Dense optical flow between two frames, by OpenCV's dense inverse search (Kroeger et al., ECCV 2016)."""

import importlib.util
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.errors import InputError

LEAST_SIDE = 24
"""Below this the coarsest level of the search has no patch left."""


class DenseFlow:
    """Flow from a frame to another one; keep one object for many pairs.

    Args:
        otherwise: what to do where OpenCV is not installed, besides to install it.

    Raises:
        InputError: OpenCV is not installed.
    """

    def __init__(self, otherwise: str = "carry labels with --motion geometry and a depth run") -> None:
        cv2 = _opencv(otherwise)
        self._search: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._search.setFinestScale(0)  # thin things decide how good carried labels are
        self._search.setGradientDescentIterations(25)
        self._search.setPatchStride(2)

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
        """Where each pixel of ``first`` lies in ``second``, less its own place: (2, H, W) float32 pixels, x first.

        Args:
            first, second: (H, W) grey.

        Raises:
            ValueError: two shapes, or a side under 24 pixels.
        """
        if first.shape != second.shape or first.ndim != 2 or min(first.shape) < LEAST_SIDE:
            raise ValueError(
                f"dense flow needs two grey frames (H, W) of one shape with sides of {LEAST_SIDE} pixels or more, "
                f"received {first.shape} and {second.shape}"
            )
        flow = self._search.calc(np.ascontiguousarray(first), np.ascontiguousarray(second), None)
        return torch.from_numpy(flow).permute(2, 0, 1).contiguous()


def has_flow() -> bool:
    """Whether OpenCV is installed."""
    return importlib.util.find_spec("cv2") is not None


def _opencv(otherwise: str) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"optical flow needs OpenCV, which is not installed; pip install 'vergence[flow]', or {otherwise}."
        ) from error
    return cv2
