"""Depth supervision in CorDA's unit (corda.md section 1.2): g >= 1, larger is nearer, exactly 1.0 is "none".

Measured depth becomes g = 655.36 / (metres + 0.01), so that 655.35 m, the farthest that 16 bits of centimetres hold,
is exactly 1. Estimates have no metric scale: g = stored / 256 + 1 brings 16 bits of a network's sigmoid output into a
like range, 1 to 257. The two are not comparable pixel by pixel unless their scales are aligned.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vergence.errors import InputError

INVALID = 1.0
FARTHEST = 655.35
"""Metres; this far and farther there is no supervision."""
NEAREST = 0.1
"""Metres; nearer measurements are none."""
_SCALE, _OFFSET = 655.36, 0.01
_PLAUSIBLE = (0.5, 500.0)
_USUAL = 15.0
"""Metres: the median of depth in a street, to guess a unit by."""
_UNITS = {"centimetres": 100.0, "millimetres": 1000.0}


def from_metres(depth: NDArray[Any]) -> NDArray[np.float32]:
    """g of measured depth in metres, any shape; nearer than 0.1, from 655.35 on and not finite (also 0) is none.

    Example:
        >>> from_metres(np.array([655.35, 6.5436, 0.0])).round(3).tolist()
        [1.0, 100.0, 1.0]
    """
    metres = depth.astype(np.float64)
    # the float32 next to 655.35 is a little smaller than it
    valid = (metres >= NEAREST) & (metres.astype(np.float32) < np.float32(FARTHEST))
    return np.where(valid, _SCALE / (np.where(valid, metres, FARTHEST) + _OFFSET), INVALID).astype(np.float32)


def from_sigmoid(stored: NDArray[np.unsignedinteger]) -> NDArray[np.float32]:
    """g of an estimate: 16 bits of a depth network's sigmoid disparity (65535 sigma); only a stored 0 is none.

    ValueError for anything but 16-bit values.

    Example:
        >>> from_sigmoid(np.array([0, 256, 65535], np.uint16)).round(2)
        array([  1.,   2., 257.], dtype=float32)
    """
    if stored.dtype != np.uint16:
        raise ValueError(f"expected uint16 values, got {stored.dtype}")
    return stored.astype(np.float32) / np.float32(256) + np.float32(INVALID)


def to_metres(inverse_depth: Tensor) -> Tensor:
    """Inverse depth in 1 / metres of a prediction of g (any shape), within what measured depth may be."""
    nearness = inverse_depth.clamp(INVALID, _SCALE / (NEAREST + _OFFSET))
    return nearness / (_SCALE - _OFFSET * nearness)


def to_sigmoid(inverse_depth: Tensor) -> Tensor:
    """Sigmoid disparity in [0, 1] of a prediction of g (any shape) that was learned from estimates."""
    return ((inverse_depth - INVALID) * (256 / 65535)).clamp(0, 1)


def check_metres(maps: Sequence[NDArray[np.floating]], origin: str) -> None:
    """InputError where depth (H, W) in metres, 0 = none, of some frames cannot be the depth of streets.

    The median of each map's measured pixels is taken, and the median of these: outside 0.5 to 500 m the unit is wrong.
    So it is where all maps hold whole numbers of 100 and more in the median.

    Args:
        maps: of frames from all over the data.
        origin: what the message calls them.
    """
    measured = [depth[depth > 0] for depth in maps]
    measured = [values for values in measured if values.size]
    if not measured:
        raise InputError(f"{origin} has no measured pixel in {len(maps)} frames that were looked at; check its files.")
    low, high = min(float(v.min()) for v in measured), max(float(v.max()) for v in measured)
    if low == high:
        raise InputError(f"{origin} is {low:g} m everywhere; such depth teaches nothing: check its files.")
    median = float(np.median([np.median(values) for values in measured]))
    whole = median >= 100 and all((values % 1 == 0).all() for values in measured)
    if _PLAUSIBLE[0] <= median <= _PLAUSIBLE[1] and not whole:
        return
    summary = f"{origin} has a median of {median:.3g} m in {len(measured)} frames that were looked at"
    if median > _PLAUSIBLE[0]:
        unit = min(_UNITS, key=lambda name: abs(np.log(median / _UNITS[name] / _USUAL)))
        raise InputError(
            f"{summary}, which looks like {unit}; set the column depth_unit to {unit}, or correct the files."
        )
    raise InputError(
        f"{summary}, too near for streets (expected {_PLAUSIBLE[0]:g} to {_PLAUSIBLE[1]:g}); it may be inverse or "
        "normalised depth: give metres, or name estimates in the column estimate."
    )


def near_is_dark(estimates: Sequence[NDArray[np.floating]]) -> bool:
    """Whether estimates (H, W) say that the world is nearer above than below, all of them: they may be depth.

    What is below is nearer for a camera that looks ahead, in a street or a room.
    """
    halves = [(one[: len(one) // 2], one[len(one) // 2 :]) for one in estimates]
    return bool(halves) and all(above.size and below.mean() < above.mean() for above, below in halves)
