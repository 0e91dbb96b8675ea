"""Maps and photographs as pictures that live inside the page (data URIs), with the colour bars that explain them."""

import base64
import io
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.labels import LabelSpace
from vergence.data.measured.depth_files import ColourRange, colourize, depth_marks

INVERSE_DEPTH_MAP = "magma"
ERROR_MAP = "turbo"
ERROR_LIMITS = ColourRange(0.0, 0.5)
"""Relative depth errors from 0 to 50 %, the same in every report."""
_WIDEST = 640
_REMOVED = np.array([236, 64, 160], dtype=np.float64)


class Picture(NamedTuple):
    """One picture of a panel; ``uri`` is empty where there is nothing to show and ``note`` says why."""

    title: str
    uri: str
    width: int
    height: int
    note: str = ""


class ColourBar(NamedTuple):
    """A legend: CSS gradient, and labels at its ends and middle."""

    label: str
    gradient: str
    ticks: tuple[str, str, str]


class Panel(NamedTuple):
    """Pictures of one frame and the colour bars they share."""

    name: str
    pictures: list[Picture]
    bars: list[ColourBar]
    note: str = ""
    data: str = ""
    """What the page's script reads under the pointer (:func:`vergence.report.probes.panel_data`); "" for nothing."""
    solid: bool = False
    """Whether it has a 3-D view."""
    error: float = math.nan
    """What it is sorted by, the largest first."""


def absent(title: str, reason: str, like: tuple[int, int]) -> Picture:
    """A place-holder of the size (height, width) of the others that says why there is no picture."""
    return Picture(title, "", like[1], like[0], reason)


def photograph(title: str, image: NDArray[np.uint8], note: str = "") -> Picture:
    """An (H, W, 3) uint8 photograph, at most 640 wide, as JPEG."""
    return _picture(title, image, note, "JPEG")


def colour_picture(
    title: str, values: NDArray[np.floating], limits: ColourRange, colour_map: str = INVERSE_DEPTH_MAP, note: str = ""
) -> Picture:
    """A map (H, W) in colours; NaN (nothing known) is grey."""
    return _picture(title, colourize(for_display(values), limits, colour_map), note, "PNG")


def removed_picture(title: str, image: NDArray[np.uint8], kept: NDArray[np.bool_]) -> Picture:
    """The photograph in grey with the pixels that a mask removed in magenta, and their share in the note."""
    grey = image.astype(np.float64).mean(axis=2, keepdims=True) * np.ones(3)
    removed = ~kept[..., None]
    tinted = np.where(removed, 0.3 * grey + 0.7 * _REMOVED, grey * 0.85)
    return _picture(title, tinted.round().astype(np.uint8), f"{removed.mean():.0%} left out of the loss", "JPEG")


def class_picture(title: str, label: NDArray[np.integer], space: LabelSpace, note: str = "") -> Picture:
    """Class ids (H, W) in the colours of their classes; what is no class is black."""
    step = max(1, math.ceil(label.shape[1] / _WIDEST))  # no mixing of colours: there is no class between two classes
    return _picture(title, space.colourize(label[::step, ::step]), note, "PNG")


def wrong_picture(title: str, image: NDArray[np.uint8], wrong: NDArray[np.bool_], known: NDArray[np.bool_]) -> Picture:
    """The photograph in grey with wrong pixels in magenta and unlabelled ones dark; the share of right ones noted."""
    grey = image.astype(np.float64).mean(axis=2, keepdims=True) * np.ones(3)
    dimmed = np.where(known[..., None], grey * 0.85, grey * 0.3)
    tinted = np.where((wrong & known)[..., None], 0.3 * grey + 0.7 * _REMOVED, dimmed)
    note = f"{1 - wrong[known].mean():.1%} of labelled pixels right" if known.any() else "no labelled pixel"
    return _picture(title, tinted.round().astype(np.uint8), note, "JPEG")


def for_display(values: NDArray[np.floating], widest: int = _WIDEST) -> NDArray[np.float64]:
    """Shrink a map to at most ``widest`` columns by the mean of what is known in each cell.

    Sparse maps (lidar) are shrunk further, down to 160 columns, until 40 % of the cells know something: single points
    of a large map would be invisible.
    """
    shrunk = values.astype(np.float64)
    while shrunk.shape[1] > widest or (shrunk.shape[1] >= 320 and np.isfinite(shrunk).mean() < 0.4):
        shrunk = _halved(shrunk)
    return shrunk


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the finite values of each 2 x 2 cell; NaN where there is none. An odd last row or column is repeated."""
    height, width = values.shape
    padded = np.pad(values, ((0, height % 2), (0, width % 2)), mode="edge")
    cells = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
    known = np.isfinite(cells)
    count = known.sum(axis=(1, 3))
    total = np.where(known, cells, 0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def colour_bar(
    label: str, limits: ColourRange, colour_map: str, ticks: tuple[str, str, str] | None = None
) -> ColourBar:
    """The legend of :func:`colour_picture`; without ``ticks`` the values at both ends and in the middle."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    stops = ",".join(to_hex(colormaps[colour_map](position)) for position in np.linspace(0, 1, 13))
    if ticks is None:
        low, high = limits
        ticks = (f"{low:.3g}", f"{(low + high) / 2:.3g}", f"{high:.3g}")
    return ColourBar(label, f"linear-gradient(90deg,{stops})", ticks)


def depth_bar(limits: ColourRange, metric: bool) -> ColourBar:
    """Legend of an inverse depth map, labelled in depth: far to near."""
    label = "depth (colour is linear in inverse depth)"
    return colour_bar(label if metric else f"unscaled {label}", limits, INVERSE_DEPTH_MAP, depth_marks(limits, metric))


def _picture(title: str, pixels: NDArray[np.uint8], note: str, form: str) -> Picture:
    image = Image.fromarray(pixels)
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, round(image.height * _WIDEST / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if form == "JPEG":
        image.save(buffer, format="JPEG", quality=90, subsampling=0)
    else:
        image.quantize(256).save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(title, f"data:image/{form.lower()};base64,{data}", image.width, image.height, note)


def image_pixels(image: Tensor) -> NDArray[np.uint8]:
    """An image (3, H, W) in [0, 1], on the CPU, as a photograph's pixels (H, W, 3)."""
    return (image.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def class_ids(label: NDArray[np.integer], space: LabelSpace) -> set[int]:
    """Ids of the space that occur."""
    return {int(number) for number in np.unique(label) if 0 <= number < len(space)}
