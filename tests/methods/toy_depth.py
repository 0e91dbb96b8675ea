"""The smallest network of depth, and networks whose answers are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vergence.data.batch import Batch
from vergence.data.dataset import FrameOptions
from vergence.data.imaging.transforms import draw_jitter, no_jitter
from vergence.data.loading import prepare_batch
from vergence.methods.depth import DepthMethod
from vergence.methods.depth_config import DepthConfig
from vergence.settings.networks import DepthNetworkConfig, PoseConfig

HEIGHT, WIDTH = 64, 96


ENCODER = "test_resnet"  # timm's smallest network with batch norm


MONO: tuple[int | str, ...] = (-1, 1)


BASELINE = 0.54


def config(**changes: Any) -> DepthConfig:
    network = DepthNetworkConfig(encoder=ENCODER, weights="none")
    return replace(DepthConfig(network=network, pose=PoseConfig(encoder=ENCODER, weights="none")), **changes)


def build(offsets: tuple[int | str, ...] = MONO, seed: int = 0, **changes: Any) -> DepthMethod:
    torch.manual_seed(seed)
    return DepthMethod(config(**changes), FrameOptions(height=HEIGHT, width=WIDTH, offsets=offsets), seed).train()


def make_batch(offsets: tuple[int | str, ...] = MONO, size: int = 2, jitter: bool = False) -> Batch:
    """Smooth random frames: each source is the target, shifted by two columns and disturbed a little."""
    generator = torch.Generator().manual_seed(1)
    frames = 1 + len(offsets)
    coarse = torch.rand(size * frames, 3, 8, 16, generator=generator)
    noise = nn.functional.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bicubic").view(size, frames, 3, HEIGHT, WIDTH)
    images = noise.clone()
    for source in range(1, frames):
        images[:, source] = 0.9 * noise[:, 0].roll(2 if source % 2 else -2, dims=-1) + 0.1 * noise[:, source]
    images = (images.clamp(0, 1) * 255).to(torch.uint8)
    K = torch.tensor([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
    stereo = torch.eye(4)
    stereo[0, 3] = -BASELINE
    rng = np.random.default_rng(0)
    draw = draw_jitter(rng, 0.2, 0.2, 0.2, 0.1) if jitter else no_jitter()
    sample = {
        "frames": images,
        "jitter": draw.repeat(size, 1),
        "intrinsics": K.repeat(size, frames, 1, 1),
        "stereo_transform": stereo.repeat(size, 1, 1),
        "available": torch.ones(size, frames, dtype=torch.bool),
        "intrinsics_known": torch.ones(size, dtype=torch.bool),
        "index": torch.arange(size),
        "flipped": torch.zeros(size, dtype=torch.bool),
    }
    return prepare_batch(sample)


def losses_of(method: DepthMethod, batch: Batch, step: int = 0) -> dict[str, Tensor]:
    losses: dict[str, Tensor] = method({"unlabelled": batch}, step)
    return losses


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
