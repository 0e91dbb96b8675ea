"""What a :class:`~vergence.inference.predictor.Predictor` looks through: a run, or a depth model of others."""

import contextlib
import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from PIL import Image
from torch import Tensor

from vergence.data.labels import LabelSpace
from vergence.errors import InputError
from vergence.inference.depth_confidence import depth_confidence as confidence_of
from vergence.inference.foreign_depth import foreign_model
from vergence.inference.inputs import on_device, to_network
from vergence.inference.network_maps import Window, checked_confidence, predict_maps
from vergence.metrics.depth import flip_postprocess
from vergence.runs.checkpoint import LoadedRun

Precision = Literal["no", "bf16", "fp16"]
"""What a network computes in: single precision, or mixed with one of 16 bits."""
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Network(Protocol):
    """Pictures in, maps out; everything that is said of the maps."""

    name: str
    """For people: a run folder's name, or the text that was loaded."""
    tasks: tuple[str, ...]
    """What it predicts: "depth", "segmentation" or both."""
    label_space: LabelSpace | None
    metres_per_unit: float | None
    """Metres in one unit of depth, None where depth is unscaled."""
    origin_of_metres: str
    """Where they come from."""
    farthest: float | None
    """The largest depth it can say, in its unit, where that is known."""
    field_of_view: float
    """Horizontal degrees, for cameras that are not known."""
    device: torch.device
    depth_confidence: bool
    """Whether it says how far its depth can be trusted."""

    def prepare(self, picture: Image.Image) -> Any:
        """What of a picture is looked at; may be called by several threads."""

    def kind(self, prepared: Any) -> Hashable:
        """Only what is of one kind makes a batch."""

    def maps(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        """``inverse_depth`` (B, 1, h, w) in 1 / unit and ``logits`` (B, K, h, w), each where it is a task, and
        ``depth_confidence`` (B, 1, h, w) in [0, 1] where it is asked for."""

    def made_by(self) -> dict[str, Any]:
        """What results depend on: the network, its weights and how it is used; equal values give equal results."""


class RunNetwork:
    """A trained method.

    Args:
        run: what :func:`~vergence.runs.checkpoint.load_run` gives.
        flip: average with the prediction of the mirrored picture.
        window: box that slides over the network's input, for classes; None for whole pictures.
        precision: "no", "bf16" or "fp16" (on a GPU).
        small: logits as the network has them, see :func:`~vergence.inference.network_maps.predict_maps`.
        depth_confidence: also say how far depth can be trusted, at the cost of a second look.

    Raises:
        InputError: an impossible precision, or confidence of depth that is not predicted.
    """

    def __init__(
        self,
        run: LoadedRun,
        flip: bool = False,
        window: Window | None = None,
        precision: Precision = "no",
        small: bool = False,
        depth_confidence: bool = False,
    ) -> None:
        self.run, self.flip, self.small, self.method = run, flip, small, run.method.eval()
        self.name, self.tasks = run.path.resolve().name, tuple(run.method.tasks)
        self.depth_confidence = checked_confidence(depth_confidence, self.name, self.tasks)
        segments = "segmentation" in self.tasks
        self.label_space = run.method.label_space if segments else None
        self.window = window if segments else None
        self.metres_per_unit = float(run.method.metres_per_unit) if run.method.scale == "metric" else None
        self.origin_of_metres = run.method.origin_of_metres
        loss = getattr(getattr(run.method, "config", None), "loss", None)
        self.farthest: float | None = float(getattr(run.method, "farthest", getattr(loss, "max_depth", 100.0)))
        self.options = run.config.frames.options
        self.field_of_view = self.options.field_of_view
        self.device = run.device
        self.precision = _checked(precision, self.device)

    def prepare(self, picture: Image.Image) -> Tensor:
        """The whole picture at the network's size, (3, h, w) uint8."""
        return to_network(picture, self.options)

    def kind(self, prepared: Tensor) -> Hashable:
        """Its size."""
        return tuple(prepared.shape)

    def images(self, batch: Sequence[Tensor]) -> Tensor:
        """Prepared pictures as the method takes them, (B, 3, h, w) in [0, 1]."""
        return on_device(batch, self.device)

    @torch.no_grad()
    def maps(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        """See :class:`Network`."""
        images = self.images(batch)
        mixed = self.precision != "no"
        with torch.autocast(self.device.type, _TYPES[self.precision]) if mixed else contextlib.nullcontext():
            return predict_maps(self.method, images, self.flip, self.window, self.small, self.depth_confidence)

    def made_by(self) -> dict[str, Any]:
        """See :class:`Network`."""
        record = {
            "run": self.name, "step": self.run.step, "weights": weights_digest(self.run), "tasks": list(self.tasks),
            "flip": self.flip, "window": None if self.window is None else str(self.window),
        }  # fmt: skip
        record |= {} if self.precision == "no" else {"precision": self.precision}
        return record | ({"depth_confidence": True} if self.depth_confidence else {})


class ForeignNetwork:
    """A depth model of others.

    Args:
        text: "hf:NAME", "onnx:FILE" or "onnx-depth:FILE".
        device: "cpu" or "cuda[:n]".
        flip: average with the prediction of the mirrored picture.
        size: (H, W) at which an ONNX model without a size of its own sees pictures; default their own.
        depth_confidence: also say how far depth can be trusted, at the cost of a second look.

    Raises:
        InputError: the library, the model or the file is missing, or it is no depth model.
    """

    tasks: tuple[str, ...] = ("depth",)
    label_space: LabelSpace | None = None
    farthest: float | None = None
    origin_of_metres = "metres as the model gives them"
    field_of_view = 60.0

    def __init__(
        self,
        text: str,
        device: str = "cpu",
        flip: bool = False,
        size: tuple[int, int] | None = None,
        depth_confidence: bool = False,
    ) -> None:
        kind, _, name = text.partition(":")
        self.model = foreign_model(kind, name, size, device)
        self.name, self.flip, self.device = text, flip, torch.device("cpu")  # where its maps lie
        self.depth_confidence = depth_confidence
        self.metres_per_unit = 1.0 if self.model.metric else None

    def prepare(self, picture: Image.Image) -> Image.Image:
        """The picture: such a model resizes for itself."""
        return picture

    def kind(self, prepared: Image.Image) -> Hashable:
        """Its size."""
        return prepared.size

    def maps(self, batch: Sequence[Image.Image]) -> dict[str, Tensor]:
        """See :class:`Network`; InputError where the model gives maps that are not finite, or none."""
        plain = self._inverse_depth(list(batch))
        if not self.flip and not self.depth_confidence:
            return {"inverse_depth": plain}
        turned = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in batch]
        mirrored = self._inverse_depth(turned).flip(-1)
        maps = {"inverse_depth": flip_postprocess(plain, mirrored) if self.flip else plain}
        return maps | ({"depth_confidence": confidence_of(plain, mirrored)} if self.depth_confidence else {})

    def _inverse_depth(self, pictures: list[Image.Image]) -> Tensor:
        predict, most = self.model.opened()
        parts = [
            torch.from_numpy(predict(pictures[start : start + most])).float() for start in range(0, len(pictures), most)
        ]
        maps = torch.cat(parts)[:, None]
        if not maps.isfinite().all():
            raise InputError(f"{self.name} gives a depth map that is not finite; check the model.")
        return maps

    def made_by(self) -> dict[str, Any]:
        """See :class:`Network`."""
        digest = hashlib.blake2b(self.model.identity.encode(), digest_size=16).hexdigest()
        made = {
            "run": self.name, "step": 0, "weights": digest, "tasks": ["depth"], "flip": self.flip, "window": None,
        }  # fmt: skip
        return made | ({"depth_confidence": True} if self.depth_confidence else {})


def foreign_name(model: Path | str) -> str | None:
    """What a depth model of others is called, "KIND:NAME"; of a path that ends in .onnx "onnx:PATH", else None."""
    kind, colon, name = str(model).partition(":")
    if isinstance(model, str) and colon and kind in ("hf", "onnx", "onnx-depth"):
        if not name:
            raise InputError(f"{model} names no model; give {kind}:{'NAME' if kind == 'hf' else 'FILE'}.")
        return model
    path = Path(model)
    return f"onnx:{path}" if path.suffix.lower() == ".onnx" and not path.is_dir() else None


def weights_digest(run: LoadedRun) -> str:
    """Digest of a run's weights as they are loaded, and of the settings that its network and its input depend on."""
    digest = hashlib.blake2b(digest_size=16)
    settings = run.config.to_dict()
    identity = [run.config.method, settings["frames"]["options"], settings.get(run.config.method)]
    digest.update(json.dumps([*identity, run.method.scale, run.method.metres_per_unit], default=str).encode())
    for name, tensor in sorted(run.method.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(-1).numpy().tobytes())
    return digest.hexdigest()


def _checked(precision: str, device: torch.device) -> str:
    if precision not in ("no", *_TYPES):
        raise InputError(f"precision {precision!r} is unknown; use no, bf16 or fp16.")
    if precision == "fp16" and device.type == "cpu":
        raise InputError("precision fp16 needs a GPU; use bf16 or no on a CPU.")
    return precision
