"""The reverse Huber loss between disparities (Three Ways)."""

import pytest
import torch
from torch import Tensor

from vergence.losses.depth import berhu

ZEROS, STEPS = torch.zeros(4), torch.tensor([0, 0.1, 0.5, 1])


def slow_berhu(prediction: Tensor, target: Tensor, mask: Tensor) -> float:
    differences = [
        abs(t - p) * m for p, t, m in zip(*(x.flatten().tolist() for x in (prediction, target, mask)), strict=True)
    ]
    c = 0.2 * max(differences)
    return sum(a if a <= c else (a * a + c * c) / (2 * c) for a in differences) / len(differences)


def random_maps() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.rand(2, 2, 1, 4, 5, generator=generator, dtype=torch.float64)
    mask = (torch.rand(2, 1, 4, 5, generator=generator) > 0.3).double()
    return prediction.requires_grad_(), target, mask


def test_golden_fact_8() -> None:
    assert berhu(ZEROS, STEPS).item() == pytest.approx(0.85625)
    assert berhu(STEPS, ZEROS).item() == pytest.approx(0.85625)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_equal_maps_have_loss_and_gradient_zero(value: float) -> None:
    prediction = torch.full((2, 1, 3, 3), value, requires_grad=True)
    loss = berhu(prediction, prediction.detach().clone())
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def test_tiny_differences_have_finite_gradients() -> None:
    prediction = torch.tensor([1e-40, 3e-39, 1e-45], requires_grad=True)
    loss = berhu(prediction, torch.zeros(3))
    loss.backward()
    assert prediction.grad is not None
    assert loss.isfinite()
    assert prediction.grad.isfinite().all()


def test_twin() -> None:
    prediction, target, mask = random_maps()
    assert berhu(prediction, target, mask).item() == pytest.approx(slow_berhu(prediction, target, mask), rel=1e-12)
    everywhere = torch.ones_like(mask)
    assert berhu(prediction, target).item() == pytest.approx(slow_berhu(prediction, target, everywhere), rel=1e-12)


def test_log_compares_logs() -> None:
    prediction, target, mask = random_maps()
    plain = berhu(torch.log1p(prediction), torch.log1p(target), mask)
    assert berhu(prediction, target, mask, apply_log=True).item() == pytest.approx(plain.item(), rel=1e-12)


def test_gradient_holds_the_limit_constant() -> None:
    """Pixels at the maximum decide the limit, and it is no function of them: their gradient is a / c."""
    prediction = torch.zeros(4, requires_grad=True)
    berhu(prediction, STEPS).backward()
    assert prediction.grad is not None
    assert prediction.grad.tolist() == pytest.approx([0, -0.25, -0.5 / 0.2 / 4, -1 / 0.2 / 4])


def test_masked_pixels_neither_teach_nor_set_the_limit() -> None:
    prediction, target, _ = random_maps()
    mask = torch.ones(2, 1, 4, 5)
    mask[..., 2:, :] = 0
    far = target.clone()
    far[..., 2:, :] += 100
    assert torch.equal(berhu(prediction, target, mask), berhu(prediction, far, mask))
    (gradient,) = torch.autograd.grad(berhu(prediction, far, mask), prediction)
    assert (gradient[..., 2:, :] == 0).all()
    assert (gradient[..., :2, :] != 0).all()
    assert berhu(prediction, target, torch.zeros(1, 1, 1, 1)).item() == 0


def test_target_gets_no_gradient() -> None:
    target = torch.ones(3, requires_grad=True)
    berhu(torch.zeros(3, requires_grad=True), target).backward()
    assert target.grad is None


def test_half_precision_is_compared_in_full() -> None:
    prediction, target, mask = (x.detach().half() for x in random_maps())
    loss = berhu(prediction, target, mask)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(slow_berhu(prediction, target, mask), rel=1e-5)


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(4,\), target \(3,\)"):
        berhu(ZEROS, torch.zeros(3))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 4\), expected \(4,\)"):
        berhu(ZEROS, STEPS, torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"mask has shape \(3,\), expected \(4,\)"):
        berhu(ZEROS, STEPS, torch.ones(3))


def test_nothing_waits_for_a_value() -> None:
    maps = torch.zeros(2, 1, 3, 3, device="meta")
    assert berhu(maps, maps, maps, apply_log=True).device.type == "meta"
