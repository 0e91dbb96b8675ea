"""Lenses that bend straight lines: OpenCV's models, their inverse, and the pinhole camera of the straightened picture.

The forward model takes a ray (x / z, y / z) of the scene to the bent ray that the lens makes of it, in float64; the
bent ray times the stored picture's focal lengths plus its principal point is the pixel. OpenCV axes, pixel centres at
integers. Source: OpenCV, "Camera Calibration and 3D Reconstruction" and "Fisheye camera model" (Kannala and Brandt,
"A Generic Camera Model and Calibration Method", PAMI 2006).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vergence.errors import InputError
from vergence.geometry.camera import Camera

Array = NDArray[np.float64]
COEFFICIENTS = {"opencv": ("k1", "k2", "p1", "p2", "k3"), "fisheye": ("k1", "k2", "k3", "k4")}
"""Names of the coefficients of each model, in OpenCV's order."""
_STEPS = 2000  # of the search for the ray up to which the model is one to one
_WIDEST = math.tan(math.radians(85))  # no pinhole picture is wider than this on one side of its axis


@dataclass(frozen=True)
class Lens:
    """A lens model and its coefficients, missing ones 0.

    Raises:
        InputError: an unknown model, too many coefficients, or one that is not finite.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in COEFFICIENTS:
            raise InputError(f"lens model {self.model!r} is unknown; use {' or '.join(COEFFICIENTS)}.")
        names = COEFFICIENTS[self.model]
        if any(self.coefficients[len(names) :]):
            raise InputError(
                f"lens model {self.model} has {len(self.coefficients)} coefficients, at most {len(names)} "
                f"({', '.join(names)}) are supported; calibrate with this model."
            )
        if not all(math.isfinite(value) for value in self.coefficients):
            raise InputError(f"lens coefficients {list(self.coefficients)} must be finite numbers; correct them.")
        padded = (*map(float, self.coefficients[: len(names)]), *[0.0] * (len(names) - len(self.coefficients)))
        object.__setattr__(self, "coefficients", padded)

    @property
    def bends(self) -> bool:
        """Whether the lens differs from a pinhole."""
        return self.model == "fisheye" or any(self.coefficients)

    def bend(self, rays: Array) -> Array:
        """Bent rays (..., 2) of rays (..., 2) = (x / z, y / z).

        Example:
            >>> Lens("opencv", (0.1,)).bend(np.array([1.0, 0.0])).tolist()
            [1.1, 0.0]
        """
        x, y = rays[..., 0], rays[..., 1]
        if self.model == "fisheye":
            r = np.hypot(x, y)
            scale = np.divide(self._bent_radius(r), r, out=np.ones_like(r), where=r > 1e-12)
            return np.stack([x * scale, y * scale], axis=-1)
        k1, k2, p1, p2, k3 = self.coefficients
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack(
            [x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y],
            axis=-1,
        )

    def _bent_radius(self, r: Array) -> Array:
        """Radius (without tangential parts) that the lens makes of a ray's radius."""
        if self.model == "fisheye":
            k1, k2, k3, k4 = self.coefficients
            t = np.arctan(r)
            t2 = t * t
            return np.asarray(t * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))))
        k1, k2, _, _, k3 = self.coefficients
        r2 = r * r
        return np.asarray(r * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))))

    def reach(self) -> float:
        """Largest radius of rays up to which a longer ray is always bent to a longer one: beyond, the model is none."""
        r = np.tan(np.linspace(0, math.atan(_WIDEST), _STEPS))
        falls = np.flatnonzero(np.diff(self._bent_radius(r)) <= 0)
        return float(r[falls[0]]) if len(falls) else _WIDEST

    def straighten(self, bent: Array) -> Array:
        """The inverse of :meth:`bend`: rays (..., 2) of bent rays (..., 2), NaN where no ray within reach is bent so.

        The radius comes from a table, then Newton's method takes both coordinates to rounding.

        Example:
            >>> Lens("opencv", (0.1,)).straighten(np.array([1.1, 0.0])).round(6).tolist()
            [1.0, 0.0]
        """
        reach = self.reach()
        table = np.tan(np.linspace(0, math.atan(reach), _STEPS))
        length = np.hypot(bent[..., 0], bent[..., 1])
        radius = np.interp(length, self._bent_radius(table), table)
        scale = np.divide(radius, length, out=np.ones_like(length), where=length > 1e-12)
        rays = bent * scale[..., None]
        for _ in range(20):
            rays = rays - _solve(self._slope(rays), self.bend(rays) - bent)
        wrong = ~(np.abs(self.bend(rays) - bent).max(axis=-1) < 1e-9) | ~(np.hypot(rays[..., 0], rays[..., 1]) <= reach)
        return np.where(wrong[..., None], np.nan, rays)

    def _slope(self, rays: Array) -> Array:
        """Derivative (..., 2, 2) of :meth:`bend`, by central differences."""
        step = 1e-6
        columns = [(self.bend(rays + shift) - self.bend(rays - shift)) / (2 * step) for shift in np.eye(2) * step]
        return np.stack(columns, axis=-1)


def _solve(matrices: Array, values: Array) -> Array:
    """Solutions (..., 2) of 2 x 2 systems; 0 where there is none."""
    (a, b), (c, d) = np.moveaxis(matrices[..., 0, :], -1, 0), np.moveaxis(matrices[..., 1, :], -1, 0)
    determinant = a * d - b * c
    determinant = np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
    x, y = values[..., 0], values[..., 1]
    return np.stack([(d * x - b * y) / determinant, (a * y - c * x) / determinant], axis=-1)


def stored_pixels(lens: Lens, stored: Camera, straight: Camera, pixels: Array) -> Array:
    """Where the pixels (..., 2), x first, of the straightened picture lie in the stored one.

    NaN where a ray is beyond the model's reach.
    """
    rays = (pixels - (straight.cx, straight.cy)) / (straight.fx, straight.fy)
    seen = lens.bend(rays) * (stored.fx, stored.fy) + (stored.cx, stored.cy)
    return np.where((np.hypot(rays[..., 0], rays[..., 1]) < lens.reach())[..., None], seen, np.nan)


def straight_pixels(lens: Lens, stored: Camera, straight: Camera, pixels: Array) -> Array:
    """Where the pixels (..., 2), x first, of the stored picture lie in the straightened one; NaN where in none."""
    bent = (pixels - (stored.cx, stored.cy)) / (stored.fx, stored.fy)
    return lens.straighten(bent) * (straight.fx, straight.fy) + (straight.cx, straight.cy)


def straight_camera(lens: Lens, stored: Camera) -> Camera:
    """The pinhole camera of the straightened picture: of the stored picture's size, and full.

    Principal point and shape of pixels stay; both focal lengths get the smallest common factor with which every pixel
    of the new picture lies in the stored one, so that no border is empty. The widest rays of a fisheye are lost.

    Raises:
        InputError: no such factor: the coefficients do not belong to this camera.
    """
    width, height = stored.width, stored.height
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    border = np.concatenate(
        [
            np.stack(np.broadcast_arrays(*pair), axis=-1)
            for pair in ((x, 0.0), (x, height - 1.0), (0.0, y), (width - 1.0, y))
        ]
    )

    def camera(factor: float) -> Camera:
        return Camera(stored.fx * factor, stored.fy * factor, stored.cx, stored.cy, width, height)

    def full(factor: float) -> bool:
        seen = stored_pixels(lens, stored, camera(factor), border)
        return bool(((seen >= -1e-6) & (seen <= np.array([width - 1, height - 1]) + 1e-6)).all())

    low, high = _range_of_factors(stored)
    factors = np.geomspace(low, high, 200)
    fitting = [k for k, factor in enumerate(factors) if full(factor)]
    if not fitting:
        raise InputError(
            f"lens {lens.model} {list(lens.coefficients)} bends the picture of this camera ({stored}) so much that "
            "none is left; check the coefficients, and that the intrinsics are those of the stored picture."
        )
    good = float(factors[fitting[0]])
    bad = float(factors[fitting[0] - 1]) if fitting[0] else good
    for _ in range(40):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if full(middle) else (good, middle)
    return camera(good)


def _range_of_factors(stored: Camera) -> tuple[float, float]:
    """Factors on the focal lengths that leave a possible camera; see :class:`~vergence.geometry.camera.Camera`."""
    shares = stored.fx / stored.width, stored.fy / stored.height
    return max(0.2, 0.0501 / min(shares)), min(20.0, 99.9 / max(shares))


def lens_text(lens: Lens, stored: Camera) -> str:
    """The column ``lens`` of a manifest: model, normalised fx fy cx cy of the stored picture, coefficients."""
    return " ".join([lens.model, *(repr(float(value)) for value in (*stored.normalized(), *lens.coefficients))])


def parse_lens(text: str) -> tuple[Lens, tuple[float, float, float, float]]:
    """Lens and normalised fx, fy, cx, cy of the stored picture, of a column ``lens``; InputError where it is none."""
    model, *words = text.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) < 4:
        raise InputError(
            f"lens {text!r} must be a model ({' or '.join(COEFFICIENTS)}), then fx fy cx cy of the stored picture "
            "divided by its width and height, then the coefficients."
        )
    fx, fy, cx, cy = numbers[:4]
    Camera.from_normalized(fx, fy, cx, cy, 1000, 1000)
    return Lens(model, tuple(numbers[4:])), (fx, fy, cx, cy)
