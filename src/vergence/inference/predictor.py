"""The one loop of frames through a network, and the door to it: ``vergence.load``."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.inference.exported_engines import exported_file
from vergence.inference.exported_network import ExportedNetwork
from vergence.inference.frame_streams import Frame, open_stream
from vergence.inference.given_pictures import as_frame, is_many
from vergence.inference.network_maps import window_of
from vergence.inference.networks import ForeignNetwork, Network, Precision, RunNetwork, foreign_name
from vergence.inference.prediction import Prediction, best_classes, inverted, resized, resized_inverse_depth
from vergence.inference.scaling import known_metres_per_unit
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.devices import resolve_device
from vergence.runs.folder import LAST, chosen

Item = TypeVar("Item")
Maps = dict[str, Any]
"""Tensors by name, perhaps in groups."""
Look = Callable[[Sequence[Any]], Maps]
"""Prepared pictures of one size to maps, each with as many entries."""


@dataclass(frozen=True)
class Seen:
    """In place of a prepared picture: what was said of it before."""

    maps: Maps


def load(
    model: Path | str | LoadedRun,
    device: str = "auto",
    *,
    flip: bool = False,
    window: str | None = None,
    overlap: float | None = None,
    scale: float | str | None = None,
    precision: Precision = "no",
    batch_size: int = 4,
    size: tuple[int, int] | None = None,
    checkpoint: str | int = "last",
    depth_confidence: bool = False,
) -> "Predictor":
    """Load a trained model for use.

    Args:
        model: a run folder, one of its checkpoints (also a copy of one, from a hub), "hf:NAME" (a depth model of
            Hugging Face's hub, or a folder of one), a file that ``vergence export`` wrote (.onnx, .pt2, .xml), or an
            ONNX depth model of others: "FILE.onnx" or "onnx:FILE" (gives inverse depth), or "onnx-depth:FILE".
        device: auto, cpu, cuda or cuda:N.
        flip: average with the prediction of the mirrored picture.
        window: WIDTHxHEIGHT of a box that slides over the network's input, for classes; "none" for whole pictures;
            default the run's.
        overlap: share of its side by which neighbouring windows overlap; default the run's.
        scale: of depth: "metric" or a factor on the network's unit; default metres where the run knows them.
        precision: "no" (single precision), "bf16" or "fp16" (on a GPU).
        batch_size: pictures looked at together.
        size: (H, W) at which an ONNX model without a size of its own sees pictures; default their own.
        checkpoint: of a run: "best" (by its score on held-back frames during training), "last" or a step.
        depth_confidence: also say how far each pixel's depth can be trusted; every picture is looked at twice.

    Raises:
        InputError: nothing that can be loaded, or an impossible setting.
    """
    if not isinstance(model, str | Path) and str(checkpoint) != LAST:
        raise InputError(f"load is given a {type(model).__name__} with checkpoint {checkpoint}; leave that out.")
    if isinstance(model, LoadedRun):
        boxes = window_of(model.config.evaluate, window, overlap)
        network = RunNetwork(model, flip, boxes, precision, depth_confidence=depth_confidence)
        return Predictor(network, batch_size, scale)
    if not isinstance(model, str | Path):
        raise InputError(
            f"load is given a {type(model).__name__}, expected the path of a run or checkpoint, or a text such as "
            "hf:NAME or onnx:FILE."
        )
    model = chosen(model, checkpoint)
    if file := exported_file(model):
        for setting, given in (("precision", precision != "no"), ("size", size is not None)):
            if given:
                raise InputError(f"{model} has its own {setting}, chosen when it was exported; leave {setting} out.")
        exported = ExportedNetwork(file, resolve_device(device), flip, window, overlap, depth_confidence)
        return Predictor(exported, batch_size, scale)
    if name := foreign_name(model):
        for setting, value in (("window", window), ("overlap", overlap)):
            if value is not None:
                raise InputError(f"{model} predicts no classes, so {setting} is not possible; leave it out.")
        if precision != "no":
            raise InputError(f"{model} computes in its own precision; leave precision out.")
        return Predictor(ForeignNetwork(name, resolve_device(device), flip, size, depth_confidence), batch_size, scale)
    if size is not None:
        raise InputError(f"{model} is a run, which sees pictures at the size it was trained at; leave size out.")
    return load(
        load_run(model, device), flip=flip, window=window, overlap=overlap, scale=scale, precision=precision,
        batch_size=batch_size, depth_confidence=depth_confidence,
    )  # fmt: skip


class Predictor:
    """A network and how it is used: device, precision, batches, sizes, units, classes.

    Args:
        network: what is looked through.
        batch_size: pictures looked at together.
        scale: see :func:`load`.
        batch_pixels: pixels looked at together, where that is fewer pictures; at least one is.

    Raises:
        InputError: an impossible setting.
    """

    def __init__(
        self,
        network: Network,
        batch_size: int = 4,
        scale: float | str | None = None,
        batch_pixels: int | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}; give 1 or more.")
        self.network, self.batch_size, self.batch_pixels = network, batch_size, batch_pixels
        self.factor, self.unit = self.factor_of(scale)

    def factor_of(self, scale: float | str | None) -> tuple[float, str]:
        """Factor on the network's unit, and what the unit then is; InputError where it is impossible."""
        metres = self.network.metres_per_unit
        if scale is None and metres is None:
            return 1.0, "unscaled"
        if scale is None or scale == "metric":
            if metres is None and isinstance(self.network, RunNetwork):
                known_metres_per_unit(self.network.method)  # says why not
            if metres is None:
                raise InputError(f"scale 'metric' is not possible: {self.network.name} gives no metres; give a factor.")
            return metres, "metres"
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < float("inf"):
            raise InputError(f"scale {scale!r} is unknown; give a positive factor or 'metric'.")
        return float(scale), "metres"

    def __repr__(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        depth = f", depth {self.unit}" if "depth" in self.tasks else ""
        return f"<Predictor {self.network.name} on {self.network.device}{depth}{classes}>"

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it predicts: "depth", "segmentation" or both."""
        return self.network.tasks

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their ids; empty where no classes are predicted."""
        return () if self.network.label_space is None else tuple(self.network.label_space.classes)

    # -- for people ----------------------------------------------------------------------------------------------------

    def predict(self, pictures: Any) -> Any:
        """What the network says of a picture, or of each of a list of pictures.

        Args:
            pictures: a path, a PIL image, a uint8 array (H, W, 3) RGB, a tensor (3, H, W), uint8 or from 0 to 1, or a
                list of these.

        Returns:
            A :class:`~vergence.inference.prediction.Prediction`, of a list a list of them in its order.

        Raises:
            InputError: nothing that is a picture, or one that cannot be read.
        """
        if is_many(pictures):
            return list(self._seen(as_frame(one, str(number)) for number, one in enumerate(pictures)))
        return next(self._seen([as_frame(pictures)]))

    def stream(self, frames: Any, split: str | None = None, limit: int | None = None) -> Iterator[Prediction]:
        """The same, frame by frame, of a video, a folder, a manifest or anything that gives pictures.

        No more frames are held than ``batch_size`` and a few that are read ahead.

        Args:
            frames: path of a video, picture, folder or manifest, a manifest, or an iterable of what ``predict`` takes.
            split: rows of a manifest.
            limit: at most so many frames.

        Raises:
            InputError: nothing that can be read, also in the middle of a video that is damaged.
        """
        if isinstance(frames, str | Path | Manifest):
            return self._seen(open_stream(frames, split, limit).frames())
        if split is not None:
            raise InputError("split is of manifests and folders; leave it out.")
        if not isinstance(frames, Iterable) or isinstance(frames, bytes | dict | torch.Tensor):
            raise InputError(
                f"stream is given a {type(frames).__name__}, expected a video, folder, manifest or pictures one by one."
            )
        pairs = zip(range(limit), frames, strict=False) if limit is not None else enumerate(frames)
        return self._seen(as_frame(one, f"{number:06d}") for number, one in pairs)

    def _seen(self, frames: Iterable[Frame]) -> Iterator[Prediction]:
        for frame, maps in self.looked_at((frame, self.network.prepare(frame.image)) for frame in frames):
            yield self.prediction(frame, maps)

    def prediction(self, frame: Frame, maps: Maps) -> Prediction:
        """Maps (., h, w) of one frame at its own size, in the unit and classes that are asked for."""
        import numpy as np

        size = (frame.image.height, frame.image.width)
        results: dict[str, Any] = {}
        if "inverse_depth" in maps:
            inverse = resized_inverse_depth(maps["inverse_depth"][0].float().cpu(), size, self.factor)
            results |= {"inverse_depth": inverse, "depth": inverted(inverse)}
        if "depth_confidence" in maps:
            results["depth_confidence"] = resized(maps["depth_confidence"][0].float().cpu(), size)
        if "logits" in maps:
            ids, confidence = best_classes(maps["logits"], size)
            results |= {"classes": ids.byte().cpu().numpy(), "confidence": confidence.cpu().numpy()}
        return Prediction(
            image=np.asarray(frame.image), unit=self.unit, label_space=self.network.label_space, camera=frame.camera,
            field_of_view=self.network.field_of_view, name=frame.name, **results,
        )  # fmt: skip

    # -- for verbs -----------------------------------------------------------------------------------------------------

    def looked_at(self, prepared: Iterable[tuple[Item, Any]], look: Look | None = None) -> Iterator[tuple[Item, Maps]]:
        """The loop: pictures in order, in batches of one size, through the network.

        Args:
            prepared: whatever tells a picture, and what ``network.prepare`` made of it (perhaps in other threads), or
                what was :class:`Seen` of it.
            look: what is asked of a batch; default ``network.maps``.

        Yields:
            Each picture's own maps (., h, w), at the network's size, on its device.
        """
        look = look or self.network.maps
        waiting: list[tuple[Item, Any]] = []
        for item, one in prepared:
            if waiting and self._complete(waiting, one):
                yield from self._batch(waiting, look)
                waiting = []
            if isinstance(one, Seen) and not waiting:
                yield item, one.maps
            else:
                waiting.append((item, one))
        if waiting:
            yield from self._batch(waiting, look)

    def _complete(self, waiting: list[tuple[Item, Any]], following: Any) -> bool:
        """Whether a batch, whose first picture is a new one, must be looked at before the following one is taken."""
        if isinstance(following, Seen):
            return len(waiting) >= 2 * self.batch_size
        fresh = sum(not isinstance(one, Seen) for _, one in waiting)
        return fresh >= self._most(following) or self.network.kind(waiting[0][1]) != self.network.kind(following)

    def _batch(self, waiting: list[tuple[Item, Any]], look: Look) -> Iterator[tuple[Item, Maps]]:
        with torch.no_grad():
            maps = look([one for _, one in waiting if not isinstance(one, Seen)])
        index = 0
        for item, one in waiting:
            if isinstance(one, Seen):
                yield item, one.maps
            else:
                yield item, entries(maps, index)
                index += 1

    def _most(self, prepared: Any) -> int:
        """How many such pictures make a batch."""
        if self.batch_pixels is None:
            return self.batch_size
        return max(1, min(self.batch_size, self.batch_pixels // (prepared.shape[-2] * prepared.shape[-1])))


def entries(maps: Maps, index: int) -> Maps:
    """What maps of a batch say of one picture."""
    return {name: entries(one, index) if isinstance(one, dict) else one[index] for name, one in maps.items()}
