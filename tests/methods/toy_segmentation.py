"""The smallest networks of two tasks, and batches for them."""

from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods.three_ways import ThreeWaysMethod
from vergence.methods.three_ways_config import ThreeWaysConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

HEIGHT, WIDTH = 64, 96


ENCODER = "test_resnet"  # timm's smallest network with batch norm


SPACE = "toy:road#804080,sky#4682b4,car#00008e"


CLASSES = 3


def options(offsets: tuple[int | str, ...] = (-1, 1)) -> FrameOptions:
    return FrameOptions(height=HEIGHT, width=WIDTH, offsets=offsets, label_space=SPACE)


def network(**changes: Any) -> SegmentationNetworkConfig:
    return SegmentationNetworkConfig(encoder=ENCODER, weights="none", **changes)


def build(offsets: tuple[int | str, ...] = (-1, 1), exchange: str = "none", **changes: Any) -> ThreeWaysMethod:
    torch.manual_seed(0)
    config = ThreeWaysConfig(
        network=network(exchange=exchange), pose=PoseConfig(encoder="posecnn", weights="none"), **changes
    )
    return ThreeWaysMethod(config, options(offsets)).train()


def batch(frames: int = 1, size: int = 2, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, frames, 3, HEIGHT, WIDTH, generator=generator)
    label = torch.randint(CLASSES, (size, HEIGHT, WIDTH), generator=generator)
    label[:, :4] = 255
    camera = torch.tensor([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
    return {
        "frames": images,
        "jittered": images,
        "intrinsics": camera.repeat(size, frames, 1, 1),
        "stereo_transform": torch.eye(4).repeat(size, 1, 1),
        "available": torch.ones(size, frames, dtype=torch.bool),
        "intrinsics_known": torch.ones(size, dtype=torch.bool),
        "index": torch.arange(size),
        "flipped": torch.zeros(size, dtype=torch.bool),
        "label": label,
        "labelled": torch.arange(size) % 2 == 0,
        "estimate": torch.rand(size, 1, HEIGHT, WIDTH, generator=generator),
    }


def both(frames: int = 1, size: int = 2) -> dict[str, Batch]:
    return {"labelled": batch(frames, size), "unlabelled": batch(frames, size, seed=1)}


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
