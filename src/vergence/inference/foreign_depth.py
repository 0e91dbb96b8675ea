"""Depth models of others: Hugging Face's depth estimation, and ONNX files.

"hf:NAME" is a model of the hub or a folder of one; whether it gives depth or inverse depth its settings say.
"onnx:FILE" (or a path that ends in .onnx) gives inverse depth (up to scale and shift), "onnx-depth:FILE" depth. An
ONNX model takes images (B, 3, H, W) in [0, 1], does its own normalisation, and gives (B, h, w) or (B, 1, h, w).
transformers and onnxruntime are imported when such a model is named, and it is loaded when the first picture needs it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from vergence.data.imaging.transforms import resize_lanczos
from vergence.errors import InputError, first_line

METRIC = ("depth_pro", "glpn", "zoedepth")
"""Model types of transformers that give depth; the others give inverse depth unless their settings say metric."""
_BATCH = 8
_ASPECT = 1.05
"""Maps may be of another size than what the model saw, but not of another shape (whole patches change it a little)."""

Maps = NDArray[np.floating]
Predict = Callable[[list[Image.Image]], Maps]
"""Pictures of one size to (B, h, w) inverse depth."""


Loaded = tuple[Predict, int]
"""A model, and how many pictures it takes at once."""


@dataclass(frozen=True)
class ForeignModel:
    """A depth model of others."""

    identity: str
    """A text that changes with the model."""
    opened: Callable[[], Loaded]
    """Loads it when it is first called."""
    metric: bool
    """Whether it says that its depth is in metres."""


def foreign_model(kind: str, name: str, size: tuple[int, int] | None, device: str = "cpu") -> ForeignModel:
    """A model by itself.

    Args:
        kind: hf, onnx or onnx-depth.
        name: of the model, or its file.
        size: (H, W) at which an ONNX model without a size of its own sees pictures, default their own, rounded to
            multiples of 32; models of transformers resize pictures themselves, and their maps are brought down to it.
        device: "cpu" or "cuda[:n]".

    Raises:
        InputError: the library, the model or the file is missing, or the model is no depth model. In use: it cannot
            run, or gives maps of another shape.
    """
    return _hugging_face(name, size, device) if kind == "hf" else _onnx(kind, name, size, device)


def _inverse(depth: Maps) -> Maps:
    """Inverse depth; what has none (0 or less) counts as infinitely far, NaN stays to be found."""
    return np.divide(1, depth, out=np.zeros_like(depth), where=~(depth <= 0))


def _library(name: str, port: str, install: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise InputError(f"{port} needs {name}; install it with pip install {install}.") from None


# -- transformers ------------------------------------------------------------------------------------------------------


def _hugging_face(name: str, size: tuple[int, int] | None, device: str) -> ForeignModel:
    library = _library("transformers", f"hf:{name}", "'vergence[hf]'")
    settings = _from_hub(name, lambda: library.AutoConfig.from_pretrained(name))
    metric = gives_depth(settings)
    version = getattr(settings, "_commit_hash", None) or _newest(Path(name))

    def load() -> Loaded:
        estimation = _from_hub(name, lambda: library.pipeline("depth-estimation", model=name, device=device))

        def predict(pictures: list[Image.Image]) -> Maps:
            try:
                estimates = estimation(pictures, batch_size=len(pictures))
            except Exception as error:  # of any model's own code
                width, height = pictures[0].size
                raise InputError(
                    f"hf:{name} cannot run on pictures of {width}x{height} ({first_line(error)}); check the model."
                ) from error
            # frames are of any size: maps come as large as these, and are needed at ours; shrinking takes antialiasing
            maps = torch.stack([entry["predicted_depth"].float().squeeze() for entry in estimates])[:, None]
            if size is not None and (maps.shape[-2] > size[0] or maps.shape[-1] > size[1]):
                maps = F.interpolate(maps, size=size, mode="bilinear", antialias=True)
            depth: Maps = maps[:, 0].cpu().numpy()
            return _inverse(depth) if metric else depth

        return predict, _BATCH

    return ForeignModel(f"hf|{name}|{version}|{metric}|{size}", cache(load), metric)


def gives_depth(settings: Any) -> bool:
    """Whether a model of transformers gives depth, and not inverse depth.

    Its settings may say so (``depth_estimation_type``, as those of Depth Anything do); otherwise its type does.
    """
    kind = getattr(settings, "depth_estimation_type", None)
    return kind == "metric" if kind is not None else getattr(settings, "model_type", "") in METRIC


def _from_hub(name: str, opened: Callable[[], Any]) -> Any:
    """What ``opened`` gives, its errors in one sentence."""
    try:
        return opened()
    except (OSError, ValueError, KeyError, ImportError) as error:  # not there, no network, no depth model, no library
        raise InputError(
            f"hf:{name} cannot be opened as a depth model ({first_line(error)}); give a depth-estimation model of the "
            "hub, or a folder of one."
        ) from error


def _newest(folder: Path) -> str:
    """When a local model was last changed."""
    times = [file.stat().st_mtime_ns for file in folder.glob("*")] if folder.is_dir() else []
    return str(max(times, default=0))


# -- ONNX --------------------------------------------------------------------------------------------------------------


def _onnx(kind: str, name: str, size: tuple[int, int] | None, device: str) -> ForeignModel:
    port, path = f"{kind}:{name}", Path(name).expanduser()
    library = _library("onnxruntime", port, "'vergence[export]'")
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the file of an ONNX depth model as {kind}:FILE.")
    state = path.stat()

    def load() -> Loaded:
        wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        providers = [name for name in wanted if name in library.get_available_providers()] + ["CPUExecutionProvider"]
        try:
            session = library.InferenceSession(str(path), providers=providers)
        except Exception as error:  # the library's own types of errors derive from Exception only
            raise InputError(
                f"{path} is no ONNX model that can be run ({first_line(error)}); export it anew."
            ) from error
        input_name, most, wanted_size = _input(session, path)

        def predict(pictures: list[Image.Image]) -> Maps:
            like = size or _rounded(pictures[0])
            height, width = (own or free for own, free in zip(wanted_size, like, strict=True))
            arrays = [np.asarray(resize_lanczos(picture, height, width)) for picture in pictures]
            images = np.stack(arrays).transpose(0, 3, 1, 2).astype(np.float32, order="C") / np.float32(255)
            try:
                maps = _checked(np.asarray(session.run(None, {input_name: images})[0]), images.shape, port)
            except InputError:
                raise
            except Exception as error:
                raise InputError(
                    f"{path} cannot run on frames of {width}x{height} ({first_line(error)}); export it for that size, "
                    "or with a height and width that may change."
                ) from error
            return _inverse(maps) if kind == "onnx-depth" else maps

        return predict, most

    return ForeignModel(f"{kind}|{path.absolute()}|{state.st_size}|{state.st_mtime_ns}|{size}", cache(load), False)


def _rounded(picture: Image.Image) -> tuple[int, int]:
    """The size (H, W) of a picture in multiples of 32."""
    height, width = (max(32, round(side / 32) * 32) for side in (picture.height, picture.width))
    return height, width


def _input(session: Any, path: Path) -> tuple[str, int, tuple[int | None, int | None]]:
    """Name of the one input, how many images it takes at once, and their (H, W), None where it is free."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if inputs else []
    free = [isinstance(side, int) for side in shape]  # names and None stand for any number
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(shape) != 4 or (free[1] and shape[1] != 3):
        described = ", ".join(f"{entry.name} {entry.type} {list(entry.shape)}" for entry in inputs)
        raise InputError(
            f"{path} takes {described or 'nothing'}, expected one input of float32 images (B, 3, H, W) in [0, 1]; "
            "export the model in that form."
        )
    if free[0] and shape[0] != 1:
        raise InputError(
            f"{path} takes exactly {shape[0]} images at once; export it for one, or for any number of them."
        )
    height, width = (side if isinstance(side, int) else None for side in shape[2:])
    return inputs[0].name, 1 if free[0] else _BATCH, (height, width)


def _checked(maps: Maps, shape: tuple[int, ...], port: str) -> Maps:
    """Maps (B, h, w) of the shape of images (B, 3, H, W)."""
    if maps.ndim == 4 and maps.shape[1] == 1:
        maps = maps[:, 0]
    batch, _, height, width = shape
    if maps.ndim != 3 or len(maps) != batch:
        raise InputError(
            f"{port} gives an array of shape {maps.shape} for {batch} frames, expected (B, h, w) or "
            "(B, 1, h, w) first among its outputs; name a model of depth."
        )
    if not 1 / _ASPECT < (maps.shape[2] / maps.shape[1]) / (width / height) < _ASPECT:
        raise InputError(
            f"{port} gives maps of {maps.shape[2]}x{maps.shape[1]} for frames of {width}x{height}; "
            "name a model that keeps the shape of the whole frame."
        )
    return maps
