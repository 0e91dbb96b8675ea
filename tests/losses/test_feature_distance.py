"""The distance to the initial features (Three Ways)."""

import pytest
import torch

from vergence.losses.depth import feature_distance


def test_ones_against_zeros() -> None:
    """Three Ways golden fact 25: the root of the number of elements, whatever the batch."""
    for shape in ((1, 4), (2, 8, 3, 5)):
        ones = torch.ones(shape)
        assert feature_distance(ones, torch.zeros(shape)).item() == pytest.approx(ones.numel() ** 0.5)


def test_gradient_goes_to_the_features_only() -> None:
    features = torch.rand(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    reference = torch.zeros(2, 3, 4, dtype=torch.float64, requires_grad=True)
    feature_distance(features, reference).backward()
    assert reference.grad is None
    assert features.grad is not None
    assert torch.allclose(features.grad, (features / features.norm()).detach())
    assert features.grad.dtype == torch.float64


def test_equal_features_have_gradient_zero() -> None:
    features = torch.ones(2, 3, requires_grad=True)
    distance = feature_distance(features, torch.ones(2, 3))
    distance.backward()
    assert distance.item() == 0
    assert features.grad is not None
    assert torch.equal(features.grad, torch.zeros(2, 3))


def test_half_precision_does_not_overflow() -> None:
    features = torch.full((1, 4), 60000.0, dtype=torch.float16)
    assert feature_distance(features, torch.zeros_like(features)).item() == pytest.approx(120000, rel=1e-3)


def test_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\), reference \(3, 2\)"):
        feature_distance(torch.ones(2, 3), torch.ones(3, 2))
