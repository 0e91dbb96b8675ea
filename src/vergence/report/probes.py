"""Maps as numbers inside a page: what is read under the pointer, and the points of a frame's 3-D view."""

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_WIDEST = 320
_LEVELS = 65534
"""Numbers from 1 to 65535 are values, 0 is none."""


class Probe(NamedTuple):
    """One map that a page can be asked about.

    ``uri`` is a PNG whose red and green hold a number of 16 bits: 0 none, else from ``low`` to ``high`` in even steps,
    of the logarithm where ``log``; of classes the id plus 1.
    """

    label: str
    uri: str
    low: float
    high: float
    log: bool = False
    unit: str = ""
    names: tuple[str, ...] = ()


class View(NamedTuple):
    """What a 3-D view of a panel is made of: the place of depth among its probes, and the camera."""

    depth: int
    camera: tuple[float, float, float, float]
    """fx, fy, cx, cy divided by width and height."""


def depth_probe(label: str, inverse_depth: NDArray[np.floating], unit: str) -> Probe:
    """Depth of inverse depth (h, w); what is not positive or not finite is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(inverse_depth > 0, 1 / inverse_depth, np.nan)
    return _probe(label, depth, True, unit)


def share_probe(label: str, shares: NDArray[np.floating]) -> Probe:
    """Shares (h, w), told in percent; NaN is none."""
    return _probe(label, shares * 100.0, False, "%")


def class_probe(label: str, ids: NDArray[np.integer], names: Sequence[str]) -> Probe:
    """Class ids (h, w); what has no name is none."""
    small = ids[:: _step(ids), :: _step(ids)].astype(np.int64)
    numbers = np.where((small >= 0) & (small < len(names)), small + 1, 0)
    return Probe(label, _uri(numbers), 0, len(names) - 1, names=tuple(names))


def panel_data(probes: Sequence[Probe], view: View | None) -> str:
    """What the page's script reads; safe inside a script element."""
    data = {"probes": [probe._asdict() for probe in probes], "view": None if view is None else view._asdict()}
    return json.dumps(data).replace("<", "\\u003c")


def _probe(label: str, values: NDArray[np.floating], log: bool, unit: str) -> Probe:
    step = _step(values)
    small = values[::step, ::step].astype(np.float64)
    known = np.isfinite(small) & ((small > 0) | (not log))
    if not known.any():
        return Probe(label, _uri(np.zeros(small.shape, np.int64)), 1, 1, log, unit)
    low, high = float(small[known].min()), float(small[known].max())
    inside = np.where(known, small, low)
    first, last = (math.log(low), math.log(high)) if log else (low, high)
    position = ((np.log(inside) if log else inside) - first) / max(last - first, 1e-12)
    return Probe(
        label, _uri(np.where(known, 1 + np.rint(position * (_LEVELS - 1)), 0).astype(np.int64)), low, high, log, unit
    )


def _step(values: NDArray[np.generic]) -> int:
    return max(1, math.ceil(values.shape[1] / _WIDEST))


def _uri(numbers: NDArray[np.int64]) -> str:
    pixels = np.stack((numbers >> 8, numbers & 255, np.zeros_like(numbers)), axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
