"""The smallest network of two domains."""

from typing import Any

import torch

from tests.methods.toy_segmentation import network, options
from vergence.methods.ssda import SSDAMethod
from vergence.methods.ssda_config import SSDAConfig


def build(**changes: Any) -> SSDAMethod:
    torch.manual_seed(0)
    return SSDAMethod(SSDAConfig(**{"network": network(), "depth": "truth", **changes}), options()).train()
