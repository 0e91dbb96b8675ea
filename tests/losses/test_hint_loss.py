"""Loss of hints: golden fact 14, the mask, gradients, invariance to scale, bad input."""

import math

import pytest
import torch

from vergence.losses.depth import class_balance, hint_loss


def maps(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def test_golden_values() -> None:
    """Golden fact 14."""
    everywhere = torch.ones(1, 1, 1, 3, dtype=torch.bool)
    assert hint_loss(maps(5, 6, 7), maps(5, 5, 5), everywhere).item() == pytest.approx(0.597253, abs=1e-6)
    one = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    assert hint_loss(maps(8), maps(10), one).item() == pytest.approx(math.log(3), abs=1e-6)
    assert hint_loss(maps(8), maps(10), one, "log_ratio").item() == pytest.approx(0.223144, abs=1e-6)
    assert hint_loss(maps(800), maps(1000), one, "log_ratio").item() == pytest.approx(0.223144, abs=1e-6)


@pytest.mark.parametrize("form", ["log_l1", "log_ratio"])
def test_only_the_mask_counts(form: str) -> None:
    depth = maps(2, 3, 4).requires_grad_()
    mask = torch.tensor([True, False, False]).view(1, 1, 1, 3)
    loss = hint_loss(depth, maps(3, torch.nan, 0), mask, form)  # type: ignore[arg-type]
    loss.backward()
    assert depth.grad is not None
    assert loss.item() == pytest.approx(math.log(2) if form == "log_l1" else math.log(1.5), abs=1e-6)
    assert depth.grad[0, 0, 0, 0] == pytest.approx(-0.5, abs=1e-6)
    assert depth.grad[0, 0, 0, 1:].tolist() == [0, 0]


def test_inverse_form_pulls_near_and_far_alike() -> None:
    """Its gradient in inverse depth is the same at 2 and at 50, and a common factor changes nothing."""
    inverse = (1 / maps(2, 50)).requires_grad_()
    mask = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    loss = hint_loss(1 / inverse, maps(4, 100), mask, "inverse")
    loss.backward()
    assert loss.item() == pytest.approx((0.25 + 0.01) / 2 / 0.26, rel=1e-5)
    assert inverse.grad is not None
    assert inverse.grad.flatten().tolist() == pytest.approx([0.5 / 0.26] * 2, rel=1e-5)
    assert hint_loss(maps(6, 150), maps(12, 300), mask, "inverse").item() == pytest.approx(loss.item(), rel=1e-5)


def test_balanced_classes() -> None:
    labels = torch.tensor([[[0, 0, 0, 0, 1, 1, 255, 0]]])
    mask = torch.tensor([True, True, True, True, True, False, False, False]).view(1, 1, 1, 8)
    even = class_balance(labels, mask, 0.0)
    assert even[mask].tolist() == [1] * 5
    whole = class_balance(labels, mask, 1.0, least=1)
    assert whole[mask].tolist() == pytest.approx([5 / 8] * 4 + [5 / 2])  # each class half of 5
    half = class_balance(labels, mask, 0.5, least=1)[mask]
    assert half[4] / half[0] == pytest.approx(2)
    assert half.mean() == pytest.approx(1)
    assert class_balance(labels, mask, 1.0)[mask].tolist() == pytest.approx([1] * 5)  # fewer than 50 count as 50
    assert class_balance(labels, torch.zeros_like(mask), 1.0).isfinite().all()
    depth, target = maps(1, 1, 1, 1, 1, 1, 1, 1), maps(1, 1, 1, 1, 2, 9, 9, 9)
    assert hint_loss(depth, target, mask, "log_ratio", whole).item() == pytest.approx(math.log(2) / 2, rel=1e-5)


@pytest.mark.parametrize("form", ["log_l1", "log_ratio", "inverse"])
def test_empty_mask_and_equality(form: str) -> None:
    depth = maps(2, 3).requires_grad_()
    for mask in (torch.zeros(1, 1, 1, 2, dtype=torch.bool), torch.ones(1, 1, 1, 2, dtype=torch.bool)):
        depth.grad = None
        loss = hint_loss(depth, depth.detach(), mask, form)  # type: ignore[arg-type]
        loss.backward()
        assert loss.item() == 0
        assert depth.grad is not None
        assert depth.grad.isfinite().all()


def test_bad_input() -> None:
    mask = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="one shape"):
        hint_loss(maps(1), maps(1, 2), mask)
    with pytest.raises(ValueError, match=r"torch\.float32"):
        hint_loss(maps(1), maps(1), mask.float())
    with pytest.raises(ValueError, match="l2"):
        hint_loss(maps(1), maps(1), mask, "l2")  # type: ignore[arg-type]
