"""Read what lies on disk: images and measured depth, with plain words for whatever is wrong with a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vergence.data.atomic import writing
from vergence.data.imaging.deep_pictures import has_deep_channels, is_deep, read_channels, to_eight_bits
from vergence.data.lenses import straight_depth, straight_image
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import check_aspect
from vergence.data.measured.depth_files import METRES_FACTOR
from vergence.data.pictures import most_pixels, open_picture, picture_size
from vergence.data.rows.frame_row import DEPTH_UNITS, FrameRow
from vergence.data.structured import read_array, read_arrays, read_matrix
from vergence.errors import InputError

MATLAB_VARIABLE = "depth_map"
"""Name of depth in the MATLAB files of Cityscapes' refined stereo depth."""


def open_image(path: Path | str, draft_width: int = 0) -> Image.Image:
    """Decode an image as 8-bit RGB, upright (grey is repeated, alpha dropped, more bits scaled to 8).

    ``draft_width`` and errors as of :func:`~vergence.data.pictures.open_picture`.
    """
    image = open_picture(path, draft_width)
    if is_deep(image):
        return to_eight_bits(image, path).convert("RGB")
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy all pixels


def open_frame(manifest: Manifest, index: int) -> Image.Image:
    """The image of a manifest's row as its pinhole camera sees it, RGB; InputError as in :func:`open_image`."""
    return straight_image(manifest[index], open_image(manifest.path(index)))


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """Decode an image as (H, W, 3) uint8 RGB; InputError as in :func:`open_image`."""
    return np.array(open_image(path))


def read_depth(path: Path | str, unit: str = "", scale: float = math.nan) -> NDArray[np.float32]:
    """Read measured depth (H, W) float32 in metres, 0 = none, at the file's own size.

    A 16-bit PNG holds metres * 256 (of several channels the first counts); an ``.npy`` file metres; an ``.npz`` file
    the sparse form of :func:`write_sparse_depth`; a MATLAB file ``depth_map`` in metres. Negative and not finite values
    count as none.

    Args:
        unit: what a stored 1 is instead: "metres", "centimetres" or "millimetres".
        scale: value that is one metre in a picture of integers instead of 256; NaN: as said above.

    Raises:
        InputError: the file is missing, broken or holds something else.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        depth = _arrays(path)["depth"]
        if depth.ndim != 2 or depth.dtype.kind not in "fiu":
            raise InputError(
                f"depth {path} has shape {depth.shape} of {depth.dtype}, expected numbers (H, W) in metres."
            )
    elif path.suffix.lower() == ".npz":
        depth = _sparse(path)
    elif path.suffix.lower() == ".mat":
        depth = read_matrix(path, MATLAB_VARIABLE)
        if depth.ndim != 2:
            raise InputError(f"depth {path} has shape {depth.shape}, expected (H, W); save one map a file.")
    else:
        integers = _read_integers(path, any_depth=not math.isnan(scale))
        depth = integers / (1.0 if unit else METRES_FACTOR if math.isnan(scale) else scale)
    if DEPTH_UNITS[unit]:
        depth = depth * DEPTH_UNITS[unit]
    if depth.size == 0:
        raise InputError(f"depth {path} is empty ({depth.shape}); give (H, W) metres.")
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def write_sparse_depth(path: Path | str, depth: NDArray[np.floating]) -> Path:
    """Write the positive values of depth (H, W) metres as ``.npz``: their flat ``index``, ``depth`` and ``shape``."""
    index = np.flatnonzero(np.isfinite(depth) & (depth > 0))
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, index=index.astype(np.int64), depth=depth.flat[index].astype(np.float32), shape=np.array(depth.shape)
        )
    return Path(path)


def read_disparity_as_depth(path: Path | str, row: FrameRow) -> NDArray[np.float32]:
    """Read a 16-bit PNG of stereo disparity (pixels * 256 at its own size) as depth (H, W) float32 metres, 0 = none.

    depth = fx * |baseline| / (disparity - shift), where the shift is the difference of the two cameras' principal
    points, usually 0. InputError where the row lacks intrinsics or baseline.
    """
    if not row.intrinsics_known or math.isnan(row.baseline):
        raise InputError(
            f"disparity {path} cannot become depth: its frame has no {'baseline' if row.intrinsics_known else 'fx'}; "
            "add it to the manifest."
        )
    stored = _read_integers(Path(path))
    width = stored.shape[1]
    shift = 0.0 if math.isnan(row.stereo_cx) else float(np.sign(row.baseline)) * (row.cx - row.stereo_cx) * width
    disparity = stored / METRES_FACTOR - shift
    valid = (stored > 0) & (disparity > 0)
    depth = row.fx * width * abs(row.baseline) / np.where(valid, disparity, 1)
    return np.where(valid, depth, 0).astype(np.float32)


def frame_depth(manifest: Manifest, index: int) -> NDArray[np.float32] | None:
    """Measured depth of a manifest's row at the file's own size, from ``depth`` or else ``disparity``, or None.

    InputError as of the readers, or where it has another aspect than its image.
    """
    row = manifest[index]
    column = "depth" if row.depth else "disparity"
    if not row.depth and not row.disparity:
        return None
    path = manifest.path(index, column)
    depth = read_depth(path, row.depth_unit, row.depth_scale) if row.depth else read_disparity_as_depth(path, row)
    size = (row.height, row.width) if row.width else picture_size(manifest.path(index))[::-1]
    check_aspect((depth.shape[0], depth.shape[1]), size, path, column)
    return straight_depth(row, depth) if row.depth else depth


def _read_integers(path: Path, any_depth: bool = False) -> NDArray[np.float64]:
    image = open_picture(path)
    if has_deep_channels(image):
        return read_channels(image, path)[..., 0].astype(np.float64)
    if not image.mode.startswith("I") and not (any_depth and image.mode == "L"):
        raise InputError(f"{path} has mode {image.mode}, expected a 16-bit PNG; give depth or disparity times 256.")
    return np.asarray(image).astype(np.float64)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    remedy = "correct the manifest or make it again"
    return {"depth": read_array(path, remedy)} if path.suffix.lower() == ".npy" else read_arrays(path, remedy)


def _sparse(path: Path) -> NDArray[np.floating]:
    arrays = _arrays(path)
    try:
        shape, index, depth = (arrays[name] for name in ("shape", "index", "depth"))
        if shape.dtype.kind not in "iu" or index.dtype.kind not in "iu" or depth.dtype.kind not in "fiu":
            raise ValueError(f"their types are {index.dtype}, {depth.dtype}, {shape.dtype}")
        height, width = (int(side) for side in shape)
        if height < 1 or width < 1 or height * width > most_pixels():
            raise ValueError(f"the shape is {height} x {width}")
        if index.ndim != 1 or index.shape != depth.shape or np.unique(index).size != index.size:
            raise ValueError("each place has one depth")
        if index.size and not (index.min() >= 0 and index.max() < height * width):
            raise ValueError(f"a place is not within {height} x {width}")
        flat = np.zeros(height * width, dtype=np.float64)
        flat[index] = depth
        return flat.reshape(height, width)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"depth {path} must hold the arrays index, depth and shape of one sparse map ({error}); make it again."
        ) from error
