"""Strong augmentation of mixed images: colour jitter and blur (Three Ways, section 4.6).

Colour changes are those of the library that the paper used (kornia 0.4): brightness is ADDED, contrast multiplies,
saturation and hue act in HSV. Nothing is changed in place. Random numbers are drawn on the CPU.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from vergence.mixing.draws import draw_rows

Change = Literal["brightness", "contrast", "saturation", "hue"]
CHANGES: tuple[Change, ...] = get_args(Change)


@dataclass(frozen=True)
class ColorJitter:
    """Factors (B,) of each image, and the order in which the whole batch is changed."""

    brightness: Tensor
    """1 for no change: factor - 1 is added."""
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    """Part of the colour circle, 0 for no change."""
    order: tuple[Change, ...] = CHANGES


@dataclass(frozen=True)
class StrongDraw:
    """What happens to one batch."""

    jitter: ColorJitter | None = None
    sigma: float | None = None
    """Standard deviation of the blur in pixels."""


def draw_strong(
    batch: int,
    jitter_probability: float = 0.8,
    strength: float = 0.25,
    blur_probability: float = 0.5,
    sigma: tuple[float, float] = (0.15, 1.15),
    generator: torch.Generator | None = None,
) -> StrongDraw:
    """Draw once for a batch whether to jitter and blur, and how: factors for each image, one sigma and order for all.

    Factors are uniform in [1 - strength, 1 + strength], hue in [-strength, strength].
    """
    for name, value in (("jitter", jitter_probability), ("blur", blur_probability)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}_probability is {value}, expected 0 to 1")
    if not 0 <= strength <= 0.5:
        raise ValueError(f"strength is {strength}, expected 0 to 0.5")
    # all numbers are always drawn, so that what follows does not depend on the probabilities
    whether_jitter, whether_blur, between = torch.rand(3, generator=generator).tolist()
    signed = (2 * draw_rows(batch, 4, generator=generator).T - 1) * strength
    order = tuple(CHANGES[index] for index in torch.randperm(4, generator=generator).tolist())
    brightness, contrast, saturation = (1 + part for part in signed[:3])
    jitter = ColorJitter(brightness, contrast, saturation, signed[3], order)
    return StrongDraw(
        jitter if whether_jitter < jitter_probability else None,
        sigma[0] + between * (sigma[1] - sigma[0]) if whether_blur < blur_probability else None,
    )


def strong_augment(images: Tensor, draw: StrongDraw) -> Tensor:
    """Jittered, then blurred images (B, 3, H, W) in [0, 1]."""
    if draw.jitter is not None:
        images = color_jitter(images, draw.jitter)
    return images if draw.sigma is None else gaussian_blur(images, draw.sigma)


def color_jitter(images: Tensor, jitter: ColorJitter) -> Tensor:
    """Change the colours of images (B, 3, H, W) in [0, 1]; the result is in [0, 1] too."""
    _check_images(images)
    changed = images.to(torch.promote_types(images.dtype, torch.float32))
    apply = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation, "hue": turn_hue}
    for name in jitter.order:
        factor: Tensor = getattr(jitter, name)
        if factor.shape != (len(images),):
            raise ValueError(f"{name} has shape {tuple(factor.shape)}, expected ({len(images)},)")
        changed = apply[name](changed, factor.to(changed.device, changed.dtype, non_blocking=True)[:, None, None, None])
    return changed.to(images.dtype)


def _brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images + (factor - 1)).clamp_(0, 1)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).clamp_(0, 1)


def _saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Saturation 1 - min / max of HSV times the factor, at most 1, at fixed hue and value: distances of the channels
    from their maximum grow together, until the least is 0."""
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = value - least
    growth = torch.minimum(factor.expand_as(value), value / torch.where(spread > 0, spread, torch.ones_like(spread)))
    return torch.where(spread > 0, value - (value - images) * growth, images).clamp_(0, 1)


def turn_hue(images: Tensor, factor: Tensor) -> Tensor:
    """Turn the hue of HSV by this part of the circle at fixed saturation and value."""
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = value - least
    safe = torch.where(spread > 0, spread, torch.ones_like(spread))
    red, green, blue = images.split(1, dim=1)
    sector = torch.where(
        red == value,
        (green - blue) / safe,
        torch.where(green == value, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    # each channel is its maximum less a trapezium of the hue, in sixths of the circle
    phase = torch.tensor([5.0, 3.0, 1.0], dtype=images.dtype).to(images.device, non_blocking=True)
    angle = torch.remainder(sector + 6 * factor + phase[:, None, None], 6)
    trapezium = torch.minimum(angle, 4 - angle).clamp_(0, 1)
    return value - spread * trapezium


def blur_kernel_size(side: int) -> int:
    """Odd size of the blur's window along an image side: a tenth of it (512 -> 51).

    Example:
        >>> blur_kernel_size(512)
        51
    """
    tenth = math.ceil(0.1 * side)
    return math.floor(tenth - 0.5 + tenth % 2)


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of images (B, C, H, W), borders reflected, in a window of :func:`blur_kernel_size`.

    Along one axis after the other, and only as far as weights matter: what is left out is less than a hundredth of the
    rounding of the images' own type. Sums of shifted views are exact in single precision, where convolution on a GPU
    may use fewer bits.
    """
    if images.ndim != 4:
        raise ValueError(f"images have shape {tuple(images.shape)}, expected (B, C, H, W)")
    if sigma <= 0:
        raise ValueError(f"sigma is {sigma}, expected a positive number of pixels")
    blurred = images.to(torch.promote_types(images.dtype, torch.float32))
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(0.01 * torch.finfo(blurred.dtype).eps)))
    for dim in (-1, -2):
        radius = min(reach, blur_kernel_size(images.shape[dim]) // 2)
        if radius > 0:
            blurred = _blur_axis(blurred, sigma, radius, dim)
    return blurred.to(images.dtype)


def _blur_axis(images: Tensor, sigma: float, radius: int, dim: int) -> Tensor:
    weights = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(radius + 1)]
    total = 2 * sum(weights) - weights[0]
    padding = (radius, radius, 0, 0) if dim == -1 else (0, 0, radius, radius)
    padded = torch.nn.functional.pad(images, padding, mode="reflect")
    length = images.shape[dim]
    out = images * (weights[0] / total)
    for step, weight in enumerate(weights[1:], start=1):
        for start in (radius - step, radius + step):
            out.add_(padded.narrow(dim, start, length), alpha=weight / total)
    return out


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images have shape {tuple(images.shape)}, expected (B, 3, H, W)")
