"""The smallest network of SemHint-MD, and batches for it."""

from dataclasses import replace
from typing import Any

import torch

from vergence.data.frame_options import FrameOptions
from vergence.methods.semhint import SemHintMethod
from vergence.methods.semhint_config import SemHintConfig
from vergence.settings.networks import PoseConfig, SegmentationNetworkConfig

ENCODER = "test_resnet"  # timm's smallest network with batch norm


SPACE = "toy:road#804080,sky#4682b4,car#00008e"


SMALL = (64, 96)


STEREO: tuple[int | str, ...] = ("s",)


def config(**changes: Any) -> SemHintConfig:
    network = SegmentationNetworkConfig(encoder=ENCODER, weights="none", shared_blocks=4, head_channels=0)
    pose = PoseConfig(encoder="posecnn", weights="none")
    return replace(SemHintConfig(network=network, pose=pose, labels="manifest", metres_per_unit=1.0), **changes)


def build(offsets: tuple[int | str, ...] = STEREO, size: tuple[int, int] = SMALL, **changes: Any) -> SemHintMethod:
    torch.manual_seed(0)
    options = FrameOptions(height=size[0], width=size[1], offsets=offsets, label_space=SPACE)
    method = SemHintMethod(config(**changes), options).train()
    method.initialize()
    return method
