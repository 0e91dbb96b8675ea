"""Forms of the official networks that the published ones do not use, in double precision against their formulas."""

import pytest
import torch
import torch.nn.functional as F

from vergence.models.pose import PoseCNN
from vergence.models.segmentation_network import build_segmentation_network
from vergence.settings.networks import SegmentationNetworkConfig


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_the_small_pose_network_tells_a_motion_for_each_further_frame(frames: int) -> None:
    network = PoseCNN(frames).double()
    stack = torch.rand(2, frames, 3, 64, 96, dtype=torch.float64)
    axis_angle, translation, features = network(stack)
    expected = 0.01 * network.last(features).mean((2, 3)).view(2, frames - 1, 6)
    motions = network.motions(features)
    assert motions.shape == (2, frames - 1, 6)
    torch.testing.assert_close(motions, expected)
    torch.testing.assert_close(motions[:, 0], torch.cat((axis_angle, translation), dim=1))


def test_pad_at_stride_two_leaves_both_outputs_at_half_size() -> None:
    torch.manual_seed(0)
    settings = {"encoder": "resnet18", "weights": "none", "exchange": "pad", "exchange_level": 3}
    full = build_segmentation_network(SegmentationNetworkConfig(**settings), 5, depth=True).double().eval()
    half = build_segmentation_network(SegmentationNetworkConfig(**settings, head_stride=2), 5, depth=True)
    half.double().eval().load_state_dict(full.state_dict())
    images = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    whole, strided = (network(images, depth=True, side=True) for network in (full, half))
    assert whole["logits"].shape[-2:] == (64, 96)
    assert whole["side_logits"].shape[-2:] == (8, 12)
    for name in ("logits", "side_logits"):
        expected = F.interpolate(whole[name], (32, 48), mode="bilinear", align_corners=False)
        torch.testing.assert_close(strided[name], expected)
    torch.testing.assert_close(strided["disparities"][0], whole["disparities"][0])
