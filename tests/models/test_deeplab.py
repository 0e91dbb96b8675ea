"""The DeepLabv3+ decoder."""

import pytest
import torch

from vergence.errors import InputError
from vergence.models.deeplab import DeepLabDecoder


def test_deeplab_works_at_stride_4() -> None:
    channels, strides = (8, 16, 32, 64, 128), (2, 4, 8, 16, 16)
    decoder = DeepLabDecoder(channels, strides, width=12)
    features = [torch.randn(1, c, -(-50 // s), -(-70 // s)) for c, s in zip(channels, strides, strict=True)]
    x, ups = decoder.walk(features[-1], features, (50, 70))
    assert x.shape == (1, 12, 13, 18)
    assert ups[2] is x
    assert decoder.reduce[0].weight.shape == (48, 16, 1, 1)
    with pytest.raises(InputError, match="needs an encoder feature of stride 4"):
        DeepLabDecoder((8, 16), (8, 16))
