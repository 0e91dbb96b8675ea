"""Spatial pyramid in training, and the DeepLabv3+ decoder made of it."""

import torch

from vergence.models.blocks import ASPP


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
