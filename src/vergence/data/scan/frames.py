"""What one frame looks like to the scan: small grey picture, sharpness, brightness, colour, black borders."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.buckets.remote import local
from vergence.data.buckets.remote_store import Absent
from vergence.data.imaging.images import open_image
from vergence.data.lenses import straight_image
from vergence.data.pictures import picture_size
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError

WORKING_WIDTH = 320
SMALLEST_SIDE = 64
DETAIL_WIDTH = 640
"""Width at which sharpness is judged: what the usual training sizes can still show."""
BLACK = 20
"""Grey level up to which a border counts as black."""


class FrameLook(NamedTuple):
    """Measures of one frame; grey levels are 0 to 255."""

    grey: NDArray[np.float32]
    """(h, w) small grey picture."""
    size: tuple[int, int]
    """Stored (width, height)."""
    brightness: float
    sharpness: float
    """Fine detail as a share of all contrast."""
    colourful: bool
    borders: tuple[float, float, float, float]
    """Black share of the height or width at the top, bottom, left and right."""


def look(path: Path, row: FrameRow) -> FrameLook | None:
    """Read a frame and measure it; None where it is missing or cannot be decoded.

    Raises:
        InputError: the frame lies in a store that fails or forbids it, which says nothing of the picture.
    """
    try:
        path = local(path)
    except Absent:
        return None
    try:
        size = picture_size(path)
        picture = straight_image(row, open_image(path, draft_width=DETAIL_WIDTH).convert("RGB"))
    except InputError:
        return None
    if picture.width > DETAIL_WIDTH:
        picture = picture.resize((DETAIL_WIDTH, max(1, round(picture.height * DETAIL_WIDTH / picture.width))))
    detail = picture.convert("L")
    scale = min(1.0, max(WORKING_WIDTH / detail.width, SMALLEST_SIDE / min(detail.size)))
    small = detail.resize((round(detail.width * scale), round(detail.height * scale)), Image.Resampling.BOX)
    pixels = np.asarray(detail, np.float32)
    return FrameLook(
        grey=np.asarray(small, np.float32),
        size=size,
        brightness=float(pixels.mean()),
        sharpness=_sharpness(pixels),
        colourful=_colourful(picture),
        borders=_borders(pixels),
    )


def _sharpness(pixels: NDArray[np.float32]) -> float:
    """Mean absolute second difference over the standard deviation."""
    contrast = float(pixels.std())
    if min(pixels.shape) < 3 or contrast < 1:
        return 0.0
    across = np.abs(pixels[:, 2:] - 2 * pixels[:, 1:-1] + pixels[:, :-2]).mean()
    down = np.abs(pixels[2:] - 2 * pixels[1:-1] + pixels[:-2]).mean()
    return float(across + down) / contrast


def _colourful(picture: Image.Image) -> bool:
    small = np.asarray(picture.resize((64, 32), Image.Resampling.BOX), np.int16)
    return bool((small.max(-1) - small.min(-1)).mean() > 2)


def _borders(pixels: NDArray[np.float32]) -> tuple[float, float, float, float]:
    rows, columns = pixels.max(1) > BLACK, pixels.max(0) > BLACK
    if not rows.any():
        return 0.0, 0.0, 0.0, 0.0
    height, width = pixels.shape
    top, bottom = int(rows.argmax()), int(rows[::-1].argmax())
    left, right = int(columns.argmax()), int(columns[::-1].argmax())
    return top / height, bottom / height, left / width, right / width
