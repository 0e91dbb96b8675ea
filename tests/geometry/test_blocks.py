"""Pieces of a batch cover it."""

import torch

from vergence.geometry.blocks import cache_blocks


def test_blocks_cover_the_batch() -> None:
    x = torch.arange(5.0)[:, None]
    assert torch.equal(torch.cat([x[block] for block in cache_blocks(x)]), x)
    assert cache_blocks(x.to("meta")) == [slice(None)]
