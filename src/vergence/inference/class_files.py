"""Predicted classes as files: ids as palette PNG, pictures with the classes painted over them, confidence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.atomic import writing
from vergence.data.labels import LabelSpace
from vergence.data.measured.depth_files import Pictures, suffix_of, write_picture
from vergence.inference.frame_streams import Frame
from vergence.inference.prediction import best_classes, painted
from vergence.inference.video_legend import ClassLegend, Legend


class Classes(NamedTuple):
    """What is kept of one frame, at its own size."""

    ids: NDArray[np.uint8]
    """(H, W)."""
    confidence: NDArray[np.uint8] | None
    """(H, W), largest probability times 255."""


@dataclass(frozen=True)
class ClassFiles:
    """Which files of classes are written for each frame."""

    space: LabelSpace
    labels: bool = True
    overlay: bool = True
    confidence: bool = False
    pictures: Pictures = "jpeg"
    """Format of overlays."""

    told = frozenset({"classes"})
    picture = "overlay"

    def paths(self, out: Path, name: str) -> dict[str, Path]:
        """The files of one frame."""
        suffixes = {"confidence": "png", "labels": "png", "overlay": suffix_of(self.pictures)}
        return {kind: out / kind / f"{name}.{suffix}" for kind, suffix in suffixes.items() if getattr(self, kind)}

    def record(self) -> dict[str, Any]:
        """What a reader of the files must know."""
        classes = [
            {"id": number, "name": name, "colour": list(colour)}
            for number, (name, colour) in enumerate(zip(self.space.classes, self.space.colours, strict=True))
        ]
        fields: dict[str, Any] = {"label_space": self.space.text(), "classes": classes}
        if self.confidence:
            fields["confidence"] = "largest probability = value / 255"
        return fields

    def prepare(self, frame: Frame, maps: dict[str, Tensor]) -> Classes:
        """Logits (K, h, w) resized to the frame, bilinearly, on their device; then the best class of each pixel."""
        return classes_of(maps["logits"], (frame.image.height, frame.image.width), self.confidence)

    def write(self, frame: Frame, classes: Classes, out: Path, record: dict[str, Any]) -> NDArray[np.uint8] | None:
        """All files of one frame; gives what a video shows (H, W, 3), where it is asked for."""
        paths = self.paths(out, frame.name)
        if "confidence" in paths and classes.confidence is not None:
            write_picture(paths["confidence"], classes.confidence)
        if "labels" in paths:
            write_label_png(paths["labels"], classes.ids, self.space)
        if "overlay" not in paths:
            return None
        shown = painted(np.asarray(frame.image), classes.ids, self.space)
        write_picture(paths["overlay"], shown)  # last: where it exists, the others do too
        return shown

    def legend(self, out: Path, record: dict[str, Any]) -> Legend:
        """What the colours of a video mean."""
        return ClassLegend(self.space, (lambda name: self.paths(out, name)["labels"]) if self.labels else None)


def classes_of(logits: Tensor, size: tuple[int, int], confidence: bool = True) -> Classes:
    """The best class of each pixel and its probability, of logits (K, h, w) resized bilinearly to (H, W)."""
    ids, sure = best_classes(logits, size)
    stored = (255 * sure).round().byte().cpu().numpy() if confidence else None
    return Classes(ids.byte().cpu().numpy(), stored)


def write_label_png(path: Path | str, ids: NDArray[np.uint8], space: LabelSpace) -> Path:
    """Write class ids (H, W) as an 8-bit palette PNG: its values are the ids, viewers show the colours."""
    with writing(path) as temporary:
        label_picture(ids, space).save(temporary, format="PNG")
    return Path(path)


def label_picture(ids: NDArray[np.uint8], space: LabelSpace) -> Image.Image:
    """Class ids (H, W) as a picture of 8 bits with a palette of their colours."""
    image = Image.fromarray(ids, mode="L")
    image.putpalette(space.colourize(np.arange(256)).tobytes())
    return image
