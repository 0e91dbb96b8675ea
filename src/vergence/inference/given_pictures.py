"""What people give as a picture, as a picture: paths, PIL images, arrays, tensors; plain words for everything else."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from vergence.data.layouts.files import VIDEO_SUFFIXES
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.frame_streams import Frame, open_stream

_TAKEN = "a path, a PIL image, a uint8 array (H, W, 3) or a tensor (3, H, W)"
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def is_many(picture: Any) -> bool:
    """Whether several pictures are given."""
    return isinstance(picture, list | tuple)


def as_frame(picture: Any, name: str = "") -> Frame:
    """One picture, RGB and upright; a path brings its camera along (``intrinsics.json`` beside it).

    Raises:
        InputError: nothing that is one picture.
    """
    if isinstance(picture, str | Path):
        return _of_path(Path(picture))
    if isinstance(picture, Image.Image):
        return Frame(name, _of_pil(picture))
    if isinstance(picture, torch.Tensor):
        return Frame(name, Image.fromarray(_of_tensor(picture)))
    if isinstance(picture, np.ndarray):
        return Frame(name, Image.fromarray(_of_array(picture)))
    if isinstance(picture, Manifest):
        raise InputError(f"{picture.name} is a manifest of many pictures; give it to stream.")
    raise InputError(f"a picture is given as type {type(picture).__name__}, expected {_TAKEN}, or a list of these.")


def _of_path(path: Path) -> Frame:
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected one picture; give it to stream.")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise InputError(f"{path} is a video, expected one picture; give it to stream.")
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the path of a picture.")
    stream = open_stream(path)
    if len(stream) != 1:
        raise InputError(f"{path} names {len(stream)} pictures, expected one; give it to stream.")
    return next(stream.frames())


def _of_pil(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP:
        raise InputError(
            f"a PIL image of mode {image.mode} has more than 8 bits, and no folder says their range; give its path."
        )
    upright = ImageOps.exif_transpose(image)
    if "transparency" in upright.info:
        upright = upright.convert("RGBA")
    return upright.convert("RGB")


def _of_array(array: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB; grey is repeated, alpha dropped."""
    if array.dtype != np.uint8:
        raise InputError(f"an array of {array.dtype} is given, expected uint8 from 0 to 255 of shape (H, W, 3), RGB.")
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
        raise InputError(f"an array of shape {array.shape} is given, expected (H, W, 3) RGB, or (H, W) grey.")
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3])


def _of_tensor(tensor: torch.Tensor) -> np.ndarray:
    """(H, W, 3) uint8 of a tensor (C, H, W), uint8 from 0 to 255 or floating from 0 to 1."""
    if tensor.ndim == 4:
        raise InputError(f"a batch of shape {tuple(tensor.shape)} is given, expected (3, H, W); give list(batch).")
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4) or 0 in tensor.shape:
        raise InputError(f"a tensor of shape {tuple(tensor.shape)} is given, expected (3, H, W) RGB.")
    values = tensor.detach().cpu()
    if values.is_floating_point():
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # also NaN
            raise InputError(
                f"a tensor of {tensor.dtype} from {low:g} to {high:g} is given, expected values from 0 to 1, not "
                "normalised by a mean; the network does that itself."
            )
        values = (values.float() * 255).round().byte()
    if values.dtype != torch.uint8:
        raise InputError(f"a tensor of {tensor.dtype} is given, expected uint8 or floating point from 0 to 1.")
    return _of_array(values.permute(1, 2, 0).numpy())
