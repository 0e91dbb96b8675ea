"""How frames are chosen, resized and augmented."""

from dataclasses import dataclass
from typing import Literal

from vergence.errors import InputError

_LARGEST = 16384
"""Pixels of a side of a training frame: four times the largest camera's."""
_FARTHEST = 1_000_000
"""Frames between a target and its source: more is hours of video."""


@dataclass
class FrameOptions:
    """How frames are chosen, resized and augmented."""

    height: int = 192
    """Working height, pixels; encoders want multiples of 32. 0 in a recipe: the height that keeps the data's aspect."""
    width: int = 640
    """Working width, pixels; likewise."""
    offsets: tuple[int | str, ...] = (-1, 1)
    """Sources of a target: positions before (-) and after (+) it, and "s", its stereo partner."""
    fit: Literal["stretch", "crop"] = "stretch"
    """Stretch the whole frame to the working size, or first crop it to the working aspect."""
    crop_anchor: Literal["top", "center", "bottom"] = "center"
    """Which rows ``fit`` crop (and ``aspect``) keeps."""
    aspect: float = 0.0
    """Width over height of the frames that ``fit`` stretch is for: frames of another shape (by more than 3 %) are first
    cut to it. 0: set by itself, to the median of the training frames, where the data have several shapes, and the log
    says so; frames of one shape are stretched whole."""
    random_crop: tuple[int, int] | None = None
    """Height and width of a random piece of the working frame, in training only."""
    flip: float = 0.5
    """Probability of mirroring a training sample."""
    flip_vertical: float = 0.0
    """Probability of mirroring it top to bottom too, for cameras that have no up, such as endoscopes; principal points
    and stereo partners move exactly as in ``flip``."""
    jitter: float = 0.5
    """Probability of changing a training sample's colours; what losses compare is never changed."""
    brightness: float = 0.2
    """Largest change of the jitter, 0 to 1."""
    contrast: float = 0.2
    """The same, 0 to 1."""
    saturation: float = 0.2
    """The same, 0 to 1."""
    hue: float = 0.1
    """The same, 0 to 0.5."""
    field_of_view: float = 60.0
    """Horizontal, degrees: the guess for frames without intrinsics."""
    require: Literal["any", "all", "none"] = "any"
    """Use samples that have any of their sources (missing ones never count), only those that have all, or every frame,
    also where it has none. Labelled frames of Three Ways are used anyway where unlabelled ones teach depth."""
    label_space: str = ""
    """Space that labels are mapped to: a name, ``NAME:class#rrggbb,...``, or a .json or .yaml file (docs/data.md). ""
    in a recipe: that of the data's labels."""
    load_label: bool = False
    """Load labels; methods that need them set this by themselves, as the other ``load_`` settings."""
    load_depth: bool = False
    """Load measured depth, metres."""
    load_estimate: bool = False
    """Load estimated inverse depth (column ``estimate``, which methods that use it fill)."""
    load_inverse_depth: Literal["", "measured", "estimate"] = ""
    """Load depth supervision in CorDA's unit: of measured depth, of estimates of 16 bits, or none; see docs/data.md."""
    load_pseudo_label: Literal["", "target", "all"] = ""
    """Load guessed labels with their confidence (columns ``pseudo_label``, ``confidence``): of the target, of all
    frames of a sample, or none."""
    resampling: Literal["lanczos", "bicubic", "bilinear", "fast"] = "lanczos"
    """Filter that resizes images. CorDA was published with bicubic in synthetic, bilinear in real frames. "fast" is
    Lanczos in a quarter of the time, within one level of 255 (two where frames become larger); JPEG files of 2.5 times
    the size or more that are taken whole are also decoded smaller, on average within one level, and frames that are
    larger by at most 1 % are cut instead. Recipes of papers keep the exact filters."""
    legacy_intrinsics: bool = False
    """Repeat the official Three Ways program's intrinsics, wrong but behind its published weights; see
    docs/recipes.md."""

    def __post_init__(self) -> None:
        self.offsets = tuple(self.offsets)
        if self.height < 0 or self.width < 1 or max(self.height, self.width) > _LARGEST:
            raise InputError(
                f"frames of {self.width}x{self.height} are impossible; give a height and width from 1 to {_LARGEST}."
            )
        if len(set(self.offsets)) != len(self.offsets) or any(
            offset != "s" if isinstance(offset, str) else not 0 < abs(offset) <= _FARTHEST for offset in self.offsets
        ):
            raise InputError(
                f"offsets {list(self.offsets)} must be different numbers other than 0 (at most {_FARTHEST} frames "
                "away), or 's' for stereo."
            )
        for name in ("flip", "flip_vertical", "jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a probability; {getattr(self, name)} is not between 0 and 1.")
        for name in ("brightness", "contrast", "saturation", "hue"):
            largest = 0.5 if name == "hue" else 1
            if not 0 <= getattr(self, name) <= largest:
                raise InputError(f"{name} {getattr(self, name)} is out of range; give 0 to {largest}.")
        if not 1 <= self.field_of_view < 180:
            raise InputError(f"field_of_view {self.field_of_view} must be degrees between 1 and 180.")
        if not (self.aspect == 0 or 0.01 <= self.aspect <= 100):
            raise InputError(f"aspect {self.aspect} is no width over height; give 0, or a number such as 1.78.")
        choices = {
            "fit": ("stretch", "crop"),
            "crop_anchor": ("top", "center", "bottom"),
            "require": ("any", "all", "none"),
            "load_inverse_depth": ("", "measured", "estimate"),
            "load_pseudo_label": ("", "target", "all"),
            "resampling": ("lanczos", "bicubic", "bilinear", "fast"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                listed = ", ".join(one or "nothing" for one in known)
                raise InputError(f"{name} is {getattr(self, name)!r}; give one of {listed}.")
        if self.legacy_intrinsics and self.flip_vertical:
            raise InputError("legacy_intrinsics knows no flip_vertical; set frames.options.flip_vertical to 0.")
        if self.random_crop is not None:
            self.random_crop = (int(self.random_crop[0]), int(self.random_crop[1]))
            rows, columns = self.random_crop
            if not (1 <= rows <= (self.height or rows) and 1 <= columns <= self.width):
                raise InputError(
                    f"random_crop {self.random_crop} must fit into the working frame of {self.height} rows and "
                    f"{self.width} columns; make it smaller."
                )


def offset_name(offset: int | str) -> str:
    """An entry of ``offsets`` in words."""
    return f"frame {offset:+d}".replace("-", "−") if isinstance(offset, int) else "the stereo partner"
