"""A rendered stereo pair of a slanted textured plane, with a hole in its depth (specification 2.12, golden fact 19).

The texture is a sum of waves, known at every real position: both images are exact but for the noise that is asked for.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vergence.losses.self_supervised import Views, prepare_views, synthesize
from vergence.settings.losses import ViewLossOptions

HEIGHT, WIDTH = 128, 320
FOCAL, BASELINE = 240.0, 0.1
OPTIONS = ViewLossOptions(min_depth=0.1, max_depth=100.0)


@dataclass(frozen=True)
class ToyOptions:
    contrast: float = 0.09
    """Amplitude of each wave; 0.02 is weak texture."""
    noise: float = 0.01
    gain: float = 1.02
    slopes: tuple[float, float] = (0.12, 0.2)
    """Change of inverse depth over the width and over the height."""
    inverse_depth: float = 0.5
    """In the middle of the image: 12 pixels of disparity."""
    shortest: float = 4.0
    """Wavelengths of the texture, pixels."""
    longest: float = 24.0
    hole: tuple[int, int, int, int] = (49, 130, 30, 60)
    """Top, left, height and width of the hole where the disparity is halved."""
    seed: int = 0


class ToyScene(NamedTuple):
    views: Views
    truth: Tensor  # (1, 1, H, W) inverse depth
    present: Tensor  # (1, 1, H, W) with the hole
    hole: Tensor  # (1, 1, H, W) bool
    labels: Tensor  # (1, H, W) int64, one class


def texture(u: Tensor, v: Tensor, options: ToyOptions) -> Tensor:
    """Colours (3, H, W) at real positions."""
    generator = torch.Generator().manual_seed(options.seed)
    waves = 24
    rand = torch.rand(4, 3, waves, generator=generator, dtype=torch.float64)
    wavelength = options.shortest * (options.longest / options.shortest) ** rand[0]
    angle, phase = 2 * torch.pi * rand[1], 2 * torch.pi * rand[2]
    k = 2 * torch.pi / wavelength
    turns = (k * angle.cos())[..., None, None] * u + (k * angle.sin())[..., None, None] * v + phase[..., None, None]
    return (0.5 + options.contrast * turns.sin().sum(dim=1)).clamp(0, 1)


def plane(options: ToyOptions) -> tuple[float, float, float]:
    """a, b, c of 1 / Z = a u + b v + c, pixels."""
    a, b = options.slopes[0] / WIDTH, options.slopes[1] / HEIGHT
    return a, b, options.inverse_depth - a * WIDTH / 2 - b * HEIGHT / 2


def toy_scene(options: ToyOptions | None = None) -> ToyScene:
    """The left image is the target, the right one the source."""
    options = options or ToyOptions()
    generator = torch.Generator().manual_seed(options.seed + 1)
    v, u = torch.meshgrid(
        torch.arange(HEIGHT, dtype=torch.float64), torch.arange(WIDTH, dtype=torch.float64), indexing="ij"
    )
    a, b, c = plane(options)
    truth = (a * u + b * v + c).float()[None, None]
    seen_at = (u + FOCAL * BASELINE * (b * v + c)) / (1 - FOCAL * BASELINE * a)  # u' = u - f b / Z, solved for u

    def photograph(position: Tensor, gain: float) -> Tensor:
        noise = options.noise * torch.randn(3, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
        return (gain * texture(position, v, options) + noise).clamp(0, 1).float()

    target, source = photograph(u, 1.0), photograph(seen_at, options.gain)
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    transform = torch.eye(4)
    transform[0, 3] = -BASELINE
    views = prepare_views(target[None], source[None, None], K[None], K[None, None], transform[None, None], OPTIONS)
    top, left, rows, columns = options.hole
    hole = torch.zeros(1, 1, HEIGHT, WIDTH, dtype=torch.bool)
    hole[..., top : top + rows, left : left + columns] = True
    present = torch.where(hole, truth / 2, truth)
    return ToyScene(views, truth, present, hole, torch.zeros(1, HEIGHT, WIDTH, dtype=torch.long))


def disparity_of(inverse_depth: Tensor) -> Tensor:
    """Sigmoid output that stands for an inverse depth."""
    low, high = 1 / OPTIONS.max_depth, 1 / OPTIONS.min_depth
    return (inverse_depth - low) / (high - low)


def error_of(inverse_depth: Tensor, views: Views) -> Tensor:
    """Photometric error (B, 1, H, W)."""
    return synthesize(disparity_of(inverse_depth), views, OPTIONS).error


def descend(inverse_depth: Tensor, views: Views, steps: int = 300, rate: float = 0.01) -> Tensor:
    """Descent on the photometric error alone, every pixel by itself (Adam on the log inverse depth)."""
    log = inverse_depth.log().clone().requires_grad_()
    optimizer = torch.optim.Adam([log], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        error_of(log.exp(), views).sum().backward()
        optimizer.step()
    return log.detach().exp()


def repaired(inverse_depth: Tensor, scene: ToyScene, tolerance: float = 0.02) -> float:
    """Share of the hole within the tolerance of the truth."""
    near = (inverse_depth / scene.truth - 1).abs() < tolerance
    return near[scene.hole].float().mean().item()
