"""Joint transforms: whatever moves an image moves its camera, label and depth in the same way."""

import functools
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from vergence.geometry.camera import Camera, crop_intrinsics, flip_intrinsics, flip_intrinsics_vertically

ASPECT_TOLERANCE = 0.03
"""Shapes that differ by no more than this share are stretched as one: KITTI's sizes differ by 0.004."""
Number = TypeVar("Number", np.float32, np.uint8)


def unlike(width: int, height: int, aspect: float) -> bool:
    """Whether a frame has another shape than this width over height; 0 is like all."""
    return aspect > 0 and abs(width / (height * aspect) - 1) > ASPECT_TOLERANCE


@dataclass(frozen=True)
class Placement:
    """How a stored frame becomes a working frame: a box is cut out and resized, for everything that belongs to it.

    All numbers are pixels; the box lies inside the stored frame.
    """

    stored_width: int
    stored_height: int
    left: int
    top: int
    box_width: int
    box_height: int
    width: int
    height: int

    @classmethod
    def fit(
        cls,
        stored_size: tuple[int, int],
        working_size: tuple[int, int],
        fit: str = "stretch",
        anchor: str = "center",
        aspect: float = 0.0,
        nearly: float = 0.0,
    ) -> "Placement":
        """Place a stored frame of size (H, W) into a working frame of size (H, W).

        Args:
            fit: "stretch" takes the whole frame, "crop" the largest box of the working aspect.
            anchor: where that box sits when rows are cut: "top", "center" or "bottom"; columns are cut centrally.
            aspect: width over height that "stretch" is for, 0 any: of a frame of another shape it takes the largest box
                of this one, so that nothing is stretched otherwise than in the frames of this shape.
            nearly: a frame that is larger by at most this share is cut to the working size, so that no pixel is
                resampled: 640x193 to 640x192.
        """
        stored_height, stored_width = stored_size
        height, width = working_size
        box_width, box_height = stored_width, stored_height
        if fit == "crop" or unlike(stored_width, stored_height, aspect):
            across, down = (width, height) if fit == "crop" else (aspect, 1)
            box_width = min(stored_width, max(1, round(stored_height * across / down)))
            box_height = min(stored_height, max(1, round(stored_width * down / across)))
        elif nearly and all(
            1 <= stored / working <= 1 + nearly for stored, working in zip(stored_size, working_size, strict=True)
        ):
            box_width, box_height = width, height
        spare = stored_height - box_height
        top = {"top": 0, "center": spare // 2, "bottom": spare}[anchor]
        left = (stored_width - box_width) // 2
        return cls(stored_width, stored_height, left, top, box_width, box_height, width, height)

    def camera(self, camera: Camera) -> Camera:
        """The camera of the working frame from that of the stored frame."""
        return camera.cropped(self.left, self.top, self.box_width, self.box_height).resized(self.width, self.height)

    def image(self, image: Image.Image, resampling: str = "lanczos") -> NDArray[np.uint8]:
        """Cut and resize, antialiased: (H, W, C) uint8. An image that is taken whole may have been decoded smaller."""
        cut = image if self.whole else image.crop(self._corners())
        return resized_pixels(cut, self.height, self.width, resampling)

    @property
    def whole(self) -> bool:
        """Whether nothing of the frame is cut off."""
        return (self.box_width, self.box_height) == (self.stored_width, self.stored_height)

    @property
    def shrinks(self) -> float:
        """By which factor the box becomes smaller, along the side that keeps more."""
        return min(self.box_width / self.width, self.box_height / self.height)

    def label(self, label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut and resize class ids (H, W) with the nearest neighbour."""
        return np.array(self._nearest(Image.fromarray(label)))

    def estimate(self, estimate: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut and resize a dense map (h, w), perhaps of another size than the frame's, bilinearly."""
        return self._resized(estimate, Image.Resampling.BILINEAR)

    def nearest(self, values: NDArray[Number]) -> NDArray[Number]:
        """Cut and resize a map (h, w), perhaps of another size than the frame's, as labels are: no new values."""
        if values.shape == (self.stored_height, self.stored_width):  # a box rounds otherwise where there are ties
            return np.array(self._nearest(Image.fromarray(values)))
        return self._resized(values, Image.Resampling.NEAREST)

    def depth(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut and resize depth (h, w), 0 = none, which may have been measured at another size than the frame's."""
        h, w = depth.shape
        rows = np.array([self.top, self.top + self.box_height]) * h / self.stored_height
        columns = np.array([self.left, self.left + self.box_width]) * w / self.stored_width
        return resize_depth(depth, (self.height, self.width), (rows[0], rows[1]), (columns[0], columns[1]))

    def _nearest(self, image: Image.Image) -> Image.Image:
        return image.crop(self._corners()).resize((self.width, self.height), Image.Resampling.NEAREST)

    def _resized(self, values: NDArray[Number], how: Image.Resampling) -> NDArray[Number]:
        h, w = values.shape
        scale_x, scale_y = w / self.stored_width, h / self.stored_height
        left, top, right, bottom = self._corners()
        box = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
        if (w, h) == (self.width, self.height) and box == (0, 0, w, h):
            return values
        return np.array(Image.fromarray(values).resize((self.width, self.height), how, box=box))

    def _corners(self) -> tuple[int, int, int, int]:
        return (self.left, self.top, self.left + self.box_width, self.top + self.box_height)


def resize_lanczos(image: Image.Image, height: int, width: int) -> Image.Image:
    """Resize with PIL's antialiased Lanczos filter."""
    return resize_image(image, height, width, "lanczos")


def resize_image(image: Image.Image, height: int, width: int, resampling: str) -> Image.Image:
    """:func:`resized_pixels` as an image."""
    if resampling == "fast":
        return Image.fromarray(np.ascontiguousarray(resized_pixels(image, height, width, resampling)))
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling[resampling.upper()])


def resized_pixels(image: Image.Image, height: int, width: int, resampling: str) -> NDArray[np.uint8]:
    """Resize with one of PIL's antialiased filters, "lanczos", "bicubic" or "bilinear", or "fast": (H, W, C) uint8.

    Fast is PyTorch's Lanczos in vector instructions: at most one level from PIL's where images become smaller, two
    where they become larger.
    """
    if resampling != "fast":
        return np.array(resize_image(image, height, width, resampling))
    if image.mode != "RGB" or image.size == (width, height) or not _has_fast_lanczos():
        return np.array(resize_image(image, height, width, "lanczos"))
    return _fast_lanczos(image, height, width)


def _fast_lanczos(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    pixels = _shared_pixels(image).permute(2, 0, 1)[None]
    resized: NDArray[np.uint8] = F.interpolate(pixels, (height, width), mode="lanczos", antialias=True)[0, :3].numpy()
    return resized.transpose(1, 2, 0)


def _shared_pixels(image: Image.Image) -> Tensor:
    """Pixels (H, W, 3 or 4) of an RGB image, a fourth channel without meaning; PIL's own memory where it lends it.

    Copying them costs a third of resizing. PIL lends nothing before 11.2, and no image of several blocks of memory.
    """
    if hasattr(image, "__arrow_c_array__"):
        with suppress(ValueError):
            return torch.from_dlpack(pa.array(image).flatten()).view(image.height, image.width, -1)
    return torch.from_numpy(np.array(image))


@functools.cache
def _has_fast_lanczos() -> bool:
    """Older releases of PyTorch have none."""
    try:
        F.interpolate(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), (4, 4), mode="lanczos", antialias=True)
    except (NotImplementedError, ValueError, RuntimeError):
        return False
    return True


def resize_depth(
    depth: NDArray[np.float32],
    size: tuple[int, int],
    rows: tuple[float, float] | None = None,
    columns: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Resize depth (h, w) to ``size`` (H, W) without mixing: every value is one that was measured, 0 stays "none".

    A pixel takes the measurement under its centre, or, where that is a hole, the measurement nearest to its centre
    among those that fall into it: dense maps keep their edges, sparse ones keep their points. Depth along the optical
    axis does not change with the size.

    Args:
        rows: the (fractional) first row and end row of the part to take; default all.
        columns: the same for columns.
    """
    (top, bottom), (left, right) = rows or (0, depth.shape[0]), columns or (0, depth.shape[1])
    height, width = size
    scale_y, scale_x = (bottom - top) / height, (right - left) / width
    under_y = np.clip((top + (np.arange(height) + 0.5) * scale_y).astype(np.int64), 0, depth.shape[0] - 1)
    under_x = np.clip((left + (np.arange(width) + 0.5) * scale_x).astype(np.int64), 0, depth.shape[1] - 1)
    resized = depth[under_y[:, None], under_x[None]]
    if not (resized == 0).any():
        return resized
    y, x = np.nonzero(depth)
    target_y, target_x = (y + 0.5 - top) / scale_y, (x + 0.5 - left) / scale_x
    inside = (target_y >= 0) & (target_y < height) & (target_x >= 0) & (target_x < width)
    y, x, target_y, target_x = y[inside], x[inside], target_y[inside], target_x[inside]
    cell_y, cell_x = target_y.astype(np.int64), target_x.astype(np.int64)
    holes = resized[cell_y, cell_x] == 0
    y, x, cell_y, cell_x = y[holes], x[holes], cell_y[holes], cell_x[holes]
    away = (target_y[holes] - cell_y - 0.5) ** 2 + (target_x[holes] - cell_x - 0.5) ** 2
    order = np.argsort(-away, kind="stable")  # written last = nearest to the centre
    resized[cell_y[order], cell_x[order]] = depth[y[order], x[order]]
    return resized


@dataclass(frozen=True)
class View:
    """The frames of one sample at working size with everything that must move with them."""

    images: Tensor
    """(F, 3, H, W) uint8."""
    intrinsics: Tensor
    """(F, 3, 3) float32 pixels."""
    stereo_transform: Tensor
    """(4, 4) float32, target to stereo partner."""
    label: Tensor | None = None
    """(H, W)."""
    depth: Tensor | None = None
    """(1, H, W)."""
    estimate: Tensor | None = None
    """(1, H, W)."""
    inverse_depth: Tensor | None = None
    """(1, H, W)."""
    pseudo_label: Tensor | None = None
    """(F, H, W), or (1, H, W) of the target alone."""
    confidence: Tensor | None = None
    """The same."""
    label_confidence: Tensor | None = None
    """(H, W)."""


_OF_CAMERAS = ("intrinsics", "stereo_transform")
"""Fields of a view that are no maps of pixels."""


def flip_view(view: View) -> View:
    """Mirror left and right: principal points move to W - 1 - cx, the stereo partner changes sides."""
    return _mirrored(view, -1, flip_intrinsics(view.intrinsics, view.images.shape[-1]))


def flip_view_vertically(view: View) -> View:
    """Mirror top and bottom: principal points move to H - 1 - cy; a rectified partner stays on its side."""
    return _mirrored(view, -2, flip_intrinsics_vertically(view.intrinsics, view.images.shape[-2]))


def _mirrored(view: View, dimension: int, intrinsics: Tensor) -> View:
    """The view mirrored along columns (-1) or rows (-2), with the intrinsics that go with it."""
    mirror = torch.ones(4)
    mirror[-1 - dimension] = -1.0
    return replace(
        view,
        intrinsics=intrinsics,
        # M T M with M = diag(-1, 1, 1, 1): right for any transform, not only for a pure baseline
        stereo_transform=mirror[:, None] * view.stereo_transform * mirror[None],
        **{name: tensor.flip(dimension) for name, tensor in _maps(view).items()},
    )


def _maps(view: View) -> dict[str, Tensor]:
    """What a view has of (..., H, W), by name."""
    maps = {field.name: getattr(view, field.name) for field in fields(view) if field.name not in _OF_CAMERAS}
    return {name: tensor for name, tensor in maps.items() if tensor is not None}


def crop_view(view: View, top: int, left: int, height: int, width: int) -> View:
    """Cut a box out of all frames; principal points move by its corner."""
    rows, columns = slice(top, top + height), slice(left, left + width)
    return replace(
        view,
        intrinsics=crop_intrinsics(view.intrinsics, left, top),
        **{name: tensor[..., rows, columns] for name, tensor in _maps(view).items()},
    )


def legacy_flip_intrinsics(intrinsics: Tensor, width: int, height: int) -> Tensor:
    """The flip of the official Three Ways program, which also mirrors cy (section 2.5); for its published weights."""
    flipped = intrinsics.clone()
    flipped[..., 0, 2] = width - intrinsics[..., 0, 2]
    flipped[..., 1, 2] = height - intrinsics[..., 1, 2]
    return flipped


NEUTRAL = (1.0, 1.0, 1.0, 0.0)
"""Factors of brightness, contrast and saturation, and a turn of the hue, that change nothing."""


def draw_jitter(
    rng: np.random.Generator,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    hue: float = 0.1,
) -> Tensor:
    """One colour draw (8,): factors in [1 - x, 1 + x], hue shift in [-hue, hue] turns, and a random order.

    The same numbers are drawn from ``rng`` whatever the ranges are.
    """
    spread = np.array([brightness, contrast, saturation, hue])
    factors = np.array([1.0, 1.0, 1.0, 0.0]) + spread * rng.uniform(-1, 1, size=4)
    factors[:3] = factors[:3].clip(min=0)
    return torch.from_numpy(np.concatenate([factors, rng.permutation(4)])).float()


def no_jitter() -> Tensor:
    """The draw (8,) that changes nothing."""
    return torch.tensor([*NEUTRAL, -1.0, -1.0, -1.0, -1.0])


def apply_jitter(frames: Tensor, draw: Tensor) -> Tensor:
    """Change the colours of all frames (..., 3, H, W), float in [0, 1], by one draw; Monodepth2's jitter rule.

    ``draw`` lies on the CPU: which operations run is decided there, so that a device need not be waited for.
    """
    operations = (
        functional.adjust_brightness,
        functional.adjust_contrast,
        functional.adjust_saturation,
        functional.adjust_hue,
    )
    factors, order = draw[:4].tolist(), draw[4:].tolist()
    for which in (int(entry) for entry in order if entry >= 0):
        if factors[which] != NEUTRAL[which]:
            frames = operations[which](frames, factors[which])
    return frames
