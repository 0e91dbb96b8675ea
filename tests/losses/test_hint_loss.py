"""Loss of hints: golden fact 14, the mask, gradients, invariance to scale, bad input."""

import math

import pytest
import torch

from vergence.losses.depth import hint_loss


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


@pytest.mark.parametrize("form", ["log_l1", "log_ratio"])
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
