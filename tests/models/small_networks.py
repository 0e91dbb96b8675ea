"""Small networks of two tasks."""

from dataclasses import replace

import torch

from vergence.models.segmentation_network import MultiTaskNetwork, build_segmentation_network
from vergence.settings.networks import SegmentationNetworkConfig

SMALL = SegmentationNetworkConfig(weights="none")


PAD = replace(SMALL, exchange="pad")


def build(config: SegmentationNetworkConfig = SMALL, depth: bool = False, classes: int = 5) -> MultiTaskNetwork:
    torch.manual_seed(0)
    return build_segmentation_network(config, classes, depth).eval()
