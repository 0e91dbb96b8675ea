"""The semantic triplet loss: golden fact 32 of semhint, section 5, and a slow twin."""

import pytest
import torch
from torch import Tensor

from vergence.losses.triplet import cosine_distance, semantic_triplet, semantic_triplet_loss


def test_distance() -> None:
    cosine = torch.tensor([1.0, 0.5, 0.0, -1.0], requires_grad=True)
    distance = cosine_distance(cosine)
    torch.testing.assert_close(distance, torch.tensor([0.0, 1.0, 1.414214, 2.0]))
    distance.sum().backward()
    torch.testing.assert_close(cosine.grad, torch.tensor([0.0, -1.0, -0.707107, -0.5]))


def slow(features: Tensor, labels: Tensor, margin: float = 0.3, minimum: int = 4) -> Tensor:
    """Pixel by pixel."""
    terms = []
    batch, _, height, width = features.shape
    unit = features / features.norm(dim=1, keepdim=True)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                near, far = [], []
                for v in range(max(y - 2, 0), min(y + 3, height)):
                    for u in range(max(x - 2, 0), min(x + 3, width)):
                        if (v, u) == (y, x) or 255 in (labels[b, y, x], labels[b, v, u]):
                            continue
                        distance = (2 - 2 * (unit[b, :, y, x] * unit[b, :, v, u]).sum()).sqrt()
                        (near if labels[b, y, x] == labels[b, v, u] else far).append(distance)
                if min(len(near), len(far)) >= minimum:
                    terms.append((torch.stack(near).mean() - torch.stack(far).mean() + margin).clamp(min=0))
    return torch.stack(terms).mean()


def example() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 7, 9, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.zeros(2, 7, 9, dtype=torch.long)
    labels[0, :, 4:], labels[1, 3:], labels[0, 2, 2:5] = 1, 2, 255
    return features, labels


def test_slow_twin_and_gradient() -> None:
    features, labels = example()
    found, expected = semantic_triplet(features, labels), slow(features, labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    (gradient,) = torch.autograd.grad(found, features)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, features)[0])


def test_borders_in_the_features_are_rewarded() -> None:
    _, labels = example()
    labels = labels.masked_fill(labels == 255, 0)
    follows = torch.stack((labels == 0, labels != 0), dim=1).double()
    assert semantic_triplet(follows, labels).item() == 0
    flat = torch.ones(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    loss = semantic_triplet(flat, labels)
    assert loss.item() == pytest.approx(0.3)
    loss.backward()
    assert torch.isfinite(flat.grad).all()


def test_nothing_to_compare() -> None:
    features, labels = example()
    for nothing in (torch.zeros_like(labels), torch.full_like(labels, 255)):
        loss = semantic_triplet(features, nothing)
        assert loss.item() == 0
        loss.backward()
        assert not features.grad.any()
    assert semantic_triplet(features[..., :1, :1], labels[:, :1, :1]).item() == 0


def test_levels() -> None:
    features, labels = example()
    fine = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    found = semantic_triplet_loss({1: features, 2: features}, fine)
    assert found.item() == pytest.approx((0.05 + 0.025) * semantic_triplet(features, labels).item(), rel=1e-12)
    with pytest.raises(ValueError, match="expected at least one level"):
        semantic_triplet_loss({}, labels)


def test_bad_input() -> None:
    features, labels = example()
    with pytest.raises(ValueError, match="expected \\(B, C, h, w\\) and"):
        semantic_triplet(features[0], labels)
    with pytest.raises(ValueError, match="patch is 4"):
        semantic_triplet(features, labels, patch=4)
