"""Spatial pyramid in training, and the DeepLabv3+ decoder made of it."""

import pytest
import torch

from vergence.errors import InputError
from vergence.models.blocks import ASPP
from vergence.models.deeplab import DeepLabDecoder


def test_pyramid_trains_on_one_image() -> None:
    torch.manual_seed(0)
    pyramid, x = ASPP(8, 4, dropout=0.0), torch.randn(1, 8, 6, 7)
    norm = pyramid.pooled[1]
    norm.running_mean.uniform_(-0.1, 0.1)
    before = norm.running_mean.clone()
    expected = pyramid.pooled.eval()(x.mean((2, 3), keepdim=True))
    found = pyramid.train()._pool(pyramid.pooled, x)
    torch.testing.assert_close(found, expected)
    assert torch.equal(norm.running_mean, before)
    pyramid(x).sum().backward()
    assert all(parameter.grad is not None for parameter in pyramid.parameters())


def test_pyramid_takes_batch_statistics_of_two_images() -> None:
    pyramid, x = ASPP(8, 4, dropout=0.0), torch.randn(2, 8, 6, 7)
    before = pyramid.pooled[1].running_mean.clone()
    pyramid(x)
    assert not torch.equal(pyramid.pooled[1].running_mean, before)


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
