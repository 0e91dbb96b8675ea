"""Small networks of depth."""

import torch

from vergence.models.depth_network import build_depth_network
from vergence.settings.networks import DepthNetworkConfig


def build(**settings) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_depth_network(DepthNetworkConfig(**{"weights": "none", "encoder": "efficientnet_lite0", **settings}))
