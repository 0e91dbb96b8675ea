"""The smallest network of CorDA, and batches of two domains."""

from typing import Any

import torch
from torch import Tensor

from vergence.data.batch import Batch
from vergence.data.frame_options import FrameOptions
from vergence.methods.corda import CordaMethod
from vergence.methods.corda_config import CordaConfig
from vergence.settings.networks import CordaNetworkConfig

HEIGHT, WIDTH = 32, 48


SPACE = "toy:road#804080,sky#4682b4,car#00008e"


CLASSES = 3


def options(**changes: Any) -> FrameOptions:
    return FrameOptions(height=HEIGHT, width=WIDTH, label_space=SPACE, **changes)


def settings(variant: str = "synthia", **changes: Any) -> CordaConfig:
    network = CordaNetworkConfig(variant=variant, encoder="test_resnet", weights="none", width=8)  # type: ignore[arg-type]
    return CordaConfig(network=network, **changes)


def build(variant: str = "synthia", seed: int = 0, **changes: Any) -> CordaMethod:
    torch.manual_seed(seed)
    return CordaMethod(settings(variant, **changes), options()).train()


def batch(size: int = 2, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, 1, 3, HEIGHT, WIDTH, generator=generator)
    label = torch.randint(CLASSES, (size, HEIGHT, WIDTH), generator=generator)
    label[:, :4] = 255
    inverse_depth = 1 + 20 * torch.rand(size, 1, HEIGHT, WIDTH, generator=generator)
    inverse_depth[..., :6, :] = 1
    return {  # type: ignore[typeddict-item]
        "frames": images,
        "jittered": images,
        "label": label,
        "inverse_depth": inverse_depth,
    }


def both(size: int = 2) -> dict[str, Batch]:
    return {"source": batch(size), "target": batch(size, seed=1)}


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
