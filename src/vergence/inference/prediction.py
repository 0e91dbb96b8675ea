"""What a network says of one picture, at the picture's own size, in plain NumPy; it shows itself in a notebook."""

import base64
import html
import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vergence.data.labels import LabelSpace
from vergence.data.measured.depth_files import ColourRange, colour_range, colourize
from vergence.data.measured.pointcloud import Cloud, depth_to_points
from vergence.errors import InputError
from vergence.geometry.camera import Camera, resize_inverse_depth

NormalisedCamera = tuple[float, float, float, float]
CLOUD_REACH = 10.0
"""Points farther than so many median depths are sky or guesses, and left out of point clouds."""
_STRENGTH = 0.55
"""Share of a class's colour in an overlay."""
_WIDEST = 480
"""Pixels across of a picture in a notebook."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What a network says of one picture (H, W); what it does not predict is None."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB, the picture that was looked at."""
    depth: NDArray[np.float32] | None = None
    """(H, W) along the optical axis; inf where the network says infinitely far."""
    inverse_depth: NDArray[np.float32] | None = None
    """(H, W), 1 / depth."""
    depth_confidence: NDArray[np.float32] | None = None
    """(H, W) in [0, 1], the probability that depth is within a factor of 1.25 of the truth (where the scale is right);
    only of a model loaded with ``depth_confidence=True``."""
    unit: str = "unscaled"
    """The unit of depth: "metres", or "unscaled" where only ratios mean something."""
    classes: NDArray[np.uint8] | None = None
    """(H, W), the most probable class of each pixel, as an index of ``class_names``."""
    confidence: NDArray[np.float32] | None = None
    """(H, W) in [0, 1], the probability of that class."""
    label_space: LabelSpace | None = None
    """Names and colours of the classes."""
    camera: NormalisedCamera | None = None
    """fx, fy, cx, cy divided by width and height, where the camera is known."""
    field_of_view: float = 60.0
    """Horizontal degrees, the guess where the camera is not known."""
    name: str = ""
    """The picture's name in its folder, or its number in a video."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their ids; empty where no classes are predicted."""
        return () if self.label_space is None else tuple(self.label_space.classes)

    def cloud(self, camera: Any = None, min_confidence: float | None = None) -> Cloud:
        """The depth as coloured points; what is farther than ten median depths is left out.

        Args:
            camera: a :class:`~vergence.geometry.camera.Camera` or a matrix (3, 3), in pixels of the picture, or a
                horizontal field of view in degrees; default the picture's own camera, or its guess.
            min_confidence: leave out points whose depth is trusted less, from 0 to 1.

        Raises:
            InputError: no depth, no confidence of it, or no such camera.
        """
        if self.depth is None:
            raise InputError("this prediction has no depth, so there is no cloud; load a run that predicts depth.")
        height, width = self.depth.shape
        fx, fy, cx, cy = self._camera(camera, width, height)
        if min_confidence is not None and self.depth_confidence is None:
            raise InputError("this prediction says no confidence of depth; load the model with depth_confidence=True.")
        cloud = depth_to_points(
            self.depth, (fx, fy, cx, cy), self.image, CLOUD_REACH * float(np.median(self.depth)),
            self.depth_confidence, checked_confidence(min_confidence),
        )  # fmt: skip
        return replace(cloud, comment=f"depth {self.unit}, axes x right y down z forward")

    def _camera(self, camera: Any, width: int, height: int) -> NormalisedCamera:
        if camera is None and self.camera is not None:
            return self.camera
        if camera is None or (isinstance(camera, int | float) and not isinstance(camera, bool)):
            degrees = self.field_of_view if camera is None else float(camera)
            return Camera.from_field_of_view(degrees, width, height).normalized()
        if not isinstance(camera, Camera):
            try:
                matrix = np.asarray(camera, dtype=np.float64)
            except (TypeError, ValueError, RuntimeError):
                matrix = np.zeros(0)
            if matrix.shape != (3, 3):
                raise InputError(
                    f"camera is of type {type(camera).__name__}{list(matrix.shape) if matrix.size else ''}, expected a "
                    "Camera or a matrix (3, 3), in pixels, or a field of view in degrees."
                )
            camera = Camera(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], width, height)
        if (camera.width, camera.height) != (width, height):
            raise InputError(
                f"camera is of {camera.width}x{camera.height} and the picture is {width}x{height}; give "
                f"camera.resized({width}, {height})."
            )
        return camera.normalized()

    def pictures(self) -> list[tuple[str, NDArray[np.uint8]]]:
        """What there is to see, (caption, pixels (H, W, 3)): the picture, depth in colours, classes painted over it."""
        panels = [("picture", self.image)]
        if self.depth is not None and self.inverse_depth is not None:
            known = self.depth[np.isfinite(self.depth)]
            low, high = np.percentile(known, (2, 98)) if known.size else (0, 0)
            limits = colour_range(self.inverse_depth)
            panels.append((f"depth {low:.3g} to {high:.3g}, {self.unit}", colourize(self.inverse_depth, limits)))
        if self.depth_confidence is not None:
            panels.append(
                ("confidence of depth, white is sure", colourize(self.depth_confidence, ColourRange(0, 1), "gray"))
            )
        if self.classes is not None and self.label_space is not None:
            panels.append(("classes", painted(self.image, self.classes, self.label_space)))
        return panels

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        parts = []
        if self.depth is not None:
            parts.append(f"depth {self.unit}, median {float(np.median(self.depth)):.3g}")
        if self.classes is not None:
            parts.append(f"{len(np.unique(self.classes))} of {len(self.class_names)} classes")
        return f"<Prediction {width}x{height}: {', '.join(parts) or 'nothing'}>"

    def _repr_png_(self) -> bytes:
        """All pictures side by side, for notebooks."""
        small = [_shrunk(pixels) for _, pixels in self.pictures()]
        return _png(np.concatenate(small, axis=1))

    def _repr_html_(self) -> str:
        """The pictures with what they show below, for notebooks."""
        figures = []
        for caption, pixels in self.pictures():
            data = base64.b64encode(_png(_shrunk(pixels))).decode("ascii")
            legend = self._legend() if caption == "classes" else html.escape(caption)
            figures.append(
                f'<figure style="display:inline-block;margin:4px;max-width:{_WIDEST}px">'
                f'<img src="data:image/png;base64,{data}" alt="{html.escape(caption)}">'
                f"<figcaption>{legend}</figcaption></figure>"
            )
        return "".join(figures)

    def _legend(self) -> str:
        assert self.classes is not None
        assert self.label_space is not None
        ids, counts = np.unique(self.classes, return_counts=True)
        largest = sorted(zip(counts.tolist(), ids.tolist(), strict=True), reverse=True)
        return " ".join(
            f'<span style="border-left:1em solid rgb{tuple(self.label_space.colours[number])}">&nbsp;'
            f"{html.escape(self.class_names[number])} {count / self.classes.size:.0%}</span>"
            for count, number in largest
            if number < len(self.class_names)
        )


def checked_confidence(least: float | None) -> float:
    """The least confidence of what is kept, 0 where none is asked for; InputError where it is no share."""
    if least is None:
        return 0.0
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
        raise InputError(f"min_confidence is {least!r}; give a share from 0 to 1.")
    return float(least)


def resized(values: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """A map (1, h, w) or (h, w) on the CPU at another size (H, W), as inverse depth is resized."""
    return resize_inverse_depth(values.reshape(values.shape[-2:]), size).numpy()


def resized_inverse_depth(inverse_depth: Tensor, size: tuple[int, int], factor: float = 1.0) -> NDArray[np.float32]:
    """Inverse depth (h, w) on the CPU, resized to (H, W) bilinearly, in a unit of which ``factor`` are one."""
    return (resized(inverse_depth, size) / factor).astype(np.float32, copy=False)


def inverted(inverse_depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Depth of inverse depth; what is not positive is infinitely far."""
    with np.errstate(divide="ignore"):
        return (1 / np.maximum(inverse_depth, 0)).astype(np.float32)


def best_classes(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Best class (H, W) and its probability (H, W), of logits (K, h, w) resized bilinearly; on their device."""
    logits = F.interpolate(logits[None].float(), size, mode="bilinear", align_corners=False)[0]
    best, ids = logits.max(dim=0)
    return ids, (best - logits.logsumexp(dim=0)).exp()


def painted(image: NDArray[np.uint8], ids: NDArray[np.integer], space: LabelSpace) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with the colours of classes (H, W) over it; what is no class stays as it is."""
    colours = space.colourize(ids).astype(np.float32)
    share = np.where((ids >= 0) & (ids < len(space)), _STRENGTH, 0)[..., None].astype(np.float32)
    return ((1 - share) * image + share * colours).round().astype(np.uint8)


def _shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if width <= _WIDEST:
        return pixels
    size = (_WIDEST, max(1, round(height * _WIDEST / width)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
