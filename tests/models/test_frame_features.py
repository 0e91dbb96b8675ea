"""What frames are compared by is one level of a decoder, however its blocks are shared."""

import torch
from torch import nn

from vergence.models.frame_features import frame_features
from vergence.models.segmentation_network import build_segmentation_network
from vergence.settings.networks import SegmentationNetworkConfig

TINY = {"encoder": "test_resnet", "weights": "none", "decoder_widths": (4, 4, 8, 12, 16)}


def test_level_three_of_the_depth_decoder_shared_blocks_or_not() -> None:
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    for blocks in (0, 3, 4):
        torch.manual_seed(0)
        config = SegmentationNetworkConfig(**TINY, shared_blocks=blocks)
        found = frame_features(build_segmentation_network(config, 3, depth=True).eval(), images)
        assert found.shape == (2, 12, 8, 12), blocks  # up3: twice the size of the level at stride 16


def test_without_a_decoder_the_encoders_deepest_feature() -> None:
    class Bare(nn.Module):
        def encoder(self, images: torch.Tensor) -> list[torch.Tensor]:
            return [images, images[..., ::2, ::2].half()]

    images = torch.rand(1, 3, 4, 4)
    found = frame_features(Bare(), images)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, images[..., ::2, ::2].half().float())
