"""A prediction as what is sent: PNG, NPZ or JSON."""

import base64
import io
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.labels import LabelSpace
from vergence.data.measured.depth_files import colour_range, colourize, stored_depth
from vergence.errors import InputError
from vergence.inference.class_files import label_picture
from vergence.inference.depth_files import png_factor
from vergence.inference.prediction import Prediction, painted
from vergence.inference.predictor import Predictor

FORMATS = {"json": "application/json", "npz": "application/x-npz", "png": "image/png"}
"""What may be asked for -> its type of content."""
MAPS = ("depth", "classes", "confidence", "depth_confidence", "colour", "overlay")
"""What a PNG may show."""
ARRAYS = ("depth", "inverse_depth", "depth_confidence", "classes", "confidence")


class Answer(NamedTuple):
    """What is sent back."""

    body: bytes
    content_type: str
    headers: dict[str, str]


def answer(predictor: Predictor, seen: Prediction, form: str, shown: str | None = None, data: bool = False) -> Answer:
    """A prediction in one of the :data:`FORMATS`.

    Args:
        form: json, npz or png.
        shown: which of the :data:`MAPS` a PNG holds; default depth where it is predicted, else classes.
        data: whether JSON holds the maps too.

    Raises:
        InputError: unknown, or not predicted by this model.
    """
    if form == "png":
        return _png(predictor, seen, shown)
    if form == "npz":
        return Answer(npz(seen), FORMATS[form], {})
    if form != "json":
        raise InputError(f"format {form!r} is unknown; use {', '.join(FORMATS)}.")
    return Answer(json.dumps(described(seen, data)).encode(), FORMATS[form], {})


def npz(seen: Prediction) -> bytes:
    """All maps without loss, with their unit and the names of the classes."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {"unit": np.array(seen.unit), "class_names": np.array(seen.class_names, dtype=str)}
    np.savez_compressed(buffer, **arrays, **_arrays(seen))
    return buffer.getvalue()


def _arrays(seen: Prediction) -> dict[str, Any]:
    return {name: value for name in ARRAYS if (value := getattr(seen, name)) is not None}


def described(seen: Prediction, data: bool = False) -> dict[str, Any]:
    """What there is to say of a prediction, as plain values; with ``data`` the maps, little-endian, in base64."""
    height, width = seen.image.shape[:2]
    description: dict[str, Any] = {"width": width, "height": height}
    if seen.depth is not None:
        description["depth"] = {"unit": seen.unit, **_range(seen.depth)}
    if seen.classes is not None and seen.label_space is not None:
        ids, counts = np.unique(seen.classes, return_counts=True)
        share = dict(zip(ids.tolist(), (counts / seen.classes.size).tolist(), strict=True))
        description["classes"] = [entry | {"share": share.get(entry["id"], 0.0)} for entry in legend(seen.label_space)]
    if seen.confidence is not None:
        description["confidence"] = {"mean": float(seen.confidence.mean())}
    if data:
        description["maps"] = {
            name: {
                "dtype": str(array.dtype), "shape": list(array.shape),
                "base64": base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii"),
            }
            for name, array in _arrays(seen).items()
        }  # fmt: skip
    return description


def _range(depth: NDArray[np.float32]) -> dict[str, float | None]:
    known = depth[np.isfinite(depth)]
    if not known.size:
        return dict.fromkeys(("min", "median", "max"))
    return {"min": float(known.min()), "median": float(np.median(known)), "max": float(known.max())}


def legend(space: LabelSpace) -> list[dict[str, Any]]:
    """The classes: id, name and colour."""
    return [
        {"id": number, "name": name, "colour": list(colour)}
        for number, (name, colour) in enumerate(zip(space.classes, space.colours, strict=True))
    ]


def _png(predictor: Predictor, seen: Prediction, shown: str | None) -> Answer:
    if shown is None:
        shown = "depth" if seen.depth is not None else "classes"
    if shown not in MAPS:
        raise InputError(f"map {shown!r} is unknown; use {', '.join(MAPS)}.")
    needs = _NEEDS.get(shown, shown)
    if getattr(seen, needs) is None:
        raise InputError(
            f"this model predicts no {needs.replace('_', ' ')}, so there is no map {shown!r}; ask for another."
        )
    headers, pixels = _PICTURES[shown](predictor, seen)
    buffer = io.BytesIO()
    pixels.save(buffer, format="PNG", compress_level=3)
    return Answer(buffer.getvalue(), FORMATS["png"], {"X-Vergence-Map": shown, **headers})


Picture = tuple[dict[str, str], Image.Image]


def _depth(predictor: Predictor, seen: Prediction) -> Picture:
    """16 bits; depth = value / factor, 0 = none."""
    assert seen.depth is not None
    assert seen.inverse_depth is not None
    factor = png_factor(predictor.network, predictor.unit, predictor.factor, colour_range(seen.inverse_depth).low)
    stored = Image.fromarray(stored_depth(seen.depth, factor))
    return {"X-Vergence-Depth-Factor": repr(factor), "X-Vergence-Depth-Unit": seen.unit}, stored


def _classes(predictor: Predictor, seen: Prediction) -> Picture:
    assert seen.classes is not None
    assert seen.label_space is not None
    return {}, label_picture(seen.classes, seen.label_space)


def _confidence(predictor: Predictor, seen: Prediction) -> Picture:
    assert seen.confidence is not None
    return {}, _of_shares(seen.confidence)


def _depth_confidence(predictor: Predictor, seen: Prediction) -> Picture:
    assert seen.depth_confidence is not None
    return {}, _of_shares(seen.depth_confidence)


def _of_shares(shares: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray((255 * shares).round().astype(np.uint8))


def _colour(predictor: Predictor, seen: Prediction) -> Picture:
    assert seen.inverse_depth is not None
    limits = colour_range(seen.inverse_depth)
    far, near = (f"{1 / value:.6g}" if value > 0 else str(math.inf) for value in limits)
    headers = {"X-Vergence-Depth-Near": near, "X-Vergence-Depth-Far": far, "X-Vergence-Depth-Unit": seen.unit}
    return headers, Image.fromarray(colourize(seen.inverse_depth, limits))


def _overlay(predictor: Predictor, seen: Prediction) -> Picture:
    assert seen.classes is not None
    assert seen.label_space is not None
    return {}, Image.fromarray(painted(seen.image, seen.classes, seen.label_space))


_NEEDS = {"colour": "depth", "overlay": "classes"}
_PICTURES: dict[str, Callable[[Predictor, Prediction], Picture]] = {
    "depth": _depth, "classes": _classes, "confidence": _confidence, "depth_confidence": _depth_confidence,
    "colour": _colour, "overlay": _overlay,
}  # fmt: skip
