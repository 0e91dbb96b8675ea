"""Pose networks and learned intrinsics."""

import pytest
import torch

from vergence.models.depth_network import build_pose_network
from vergence.models.pose import IntrinsicsHead, PoseCNN, PoseHead, PoseNetwork
from vergence.settings.networks import PoseConfig


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_the_papers() -> None:  # three_ways 2.1: pose encoder 11.19 M, pose decoder 1.31 M
    network = PoseNetwork("resnet18", "none")
    assert round(count(network.encoder) / 1e6, 2) == 11.19
    assert count(network.head) == 131_328 + 2 * 590_080 + 3_084


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet_lite0", "convnext_atto", "dinov3_vits16", "posecnn"])
def test_fresh_motions_are_small_and_everything_learns(encoder: str) -> None:
    torch.manual_seed(0)
    network = build_pose_network(PoseConfig(encoder, "none"))
    axis_angle, translation, features = network(torch.rand(2, 2, 3, 64, 96))
    assert axis_angle.shape == translation.shape == (2, 3)
    assert features.shape[:2] == (2, network.feature_channels)
    assert max(axis_angle.abs().max().item(), translation.abs().max().item()) < 0.1  # semhint fact 23
    (axis_angle.sum() + translation.sum()).backward()
    assert [key for key, p in network.named_parameters() if p.grad is None] == []


def test_order_of_the_frames_matters() -> None:
    network = PoseNetwork("resnet18", "none").eval()
    pair = torch.rand(1, 2, 3, 64, 64)
    assert not torch.allclose(network(pair)[0], network(pair.flip(1))[0], rtol=1e-3, atol=0)


@pytest.mark.parametrize("network", [PoseCNN(), PoseNetwork("resnet18", "none")], ids=["posecnn", "resnet18"])
@pytest.mark.parametrize("shape", [(1, 3, 3, 64, 64), (1, 6, 64, 64)])
def test_wrong_shapes_are_named(network, shape) -> None:
    with pytest.raises(ValueError, match=r"pair has shape \(1, .*expected \(B, 2, 3, H, W\)"):
        network(torch.rand(shape))


def test_head_is_the_spatial_mean_of_its_map() -> None:
    head = PoseHead(8, width=4)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    head.last.bias.data = torch.arange(12.0)
    assert torch.allclose(head(torch.rand(2, 8, 3, 5)), 0.01 * torch.arange(12.0).view(1, 2, 6).expand(2, 2, 6))


def test_intrinsics_start_plausible_and_learn() -> None:
    head = IntrinsicsHead(16)
    features = torch.rand(2, 16, 3, 5)
    K = head(features, 96, 192)
    expected = torch.tensor([[0.8 * 192, 0, 95.5], [0, 0.8 * 192, 47.5], [0, 0, 1]])
    assert torch.allclose(K, expected.expand(2, 3, 3), atol=1e-3)
    target = torch.tensor([[120.0, 0, 100], [0, 110, 40], [0, 0, 1]])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        loss = (head(features, 96, 192) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert torch.allclose(head(features, 96, 192), target.expand(2, 3, 3), atol=1.0)


def test_focal_length_stays_positive() -> None:
    head = IntrinsicsHead(4)
    torch.nn.init.constant_(head.focal.bias, -30.0)
    K = head(torch.rand(1, 4, 2, 2), 96, 192)
    assert K[0, 0, 0] > 0
    assert K[0, 1, 1] > 0
