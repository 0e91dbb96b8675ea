"""What CorDA compares depth with: berHu where depth is known, adaptation difficulty, weights of pixels."""

import math

import pytest
import torch
from torch import Tensor

from vergence.losses.depth import berhu_valid, valid_mean
from vergence.losses.difficulty import INVALID, MODES, adaptation_difficulty, pixel_weights
from vergence.losses.segmentation import cross_entropy

FIVE = [(10, 10, 10), (12, 10, 10), (20, 10, 10), (25, 5, 10), (9, 1, 1)]


def maps(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def berhu_of_errors(*errors: float) -> tuple[Tensor, Tensor]:
    """Loss and gradient for these errors on valid pixels."""
    prediction = (5 + maps(*errors)).requires_grad_()
    loss = berhu_valid(prediction, torch.full_like(prediction, 5), torch.ones_like(prediction, dtype=torch.bool))
    return loss.detach(), torch.autograd.grad(loss, prediction)[0].flatten()


def difficulty_of(rows: list[tuple[float, float, float]]) -> Tensor:
    return adaptation_difficulty(*(maps(*column) for column in zip(*rows, strict=True)))


def random_depths(seed: int = 0, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs, known = 1 + 9 * torch.rand(3, batch, 1, 4, 5, generator=generator, dtype=torch.float64)
    known[torch.rand(known.shape, generator=generator) < 0.3] = INVALID
    return ours, theirs, known


def test_golden_facts_1_and_2() -> None:
    assert berhu_of_errors(1)[0].item() == pytest.approx(2.6)
    assert berhu_of_errors(0, 1, 2, 3, 10)[0].item() == pytest.approx(6.45)
    assert berhu_of_errors(1, 2, 10)[0].item() == pytest.approx(9.66667)
    prediction, target = maps(6, 7, 15, 400), maps(5, 5, 5, INVALID)
    assert berhu_valid(prediction, target, target != INVALID).item() == pytest.approx(9.66667)


def test_golden_fact_3() -> None:
    assert berhu_of_errors(1, 2, 10)[1].tolist() == pytest.approx([1 / 3, 1 / 3, 5 / 3])
    loss, gradient = berhu_of_errors(0, 0)
    assert loss.item() == 0
    assert gradient.tolist() == [0, 0]


def test_berhu_twin() -> None:
    prediction, target, known = random_depths()
    valid = known != INVALID
    errors = (prediction - target).abs()[valid]
    limit = 0.2 * errors.max()
    slow = sum(float(e if e <= limit else (e**2 + limit**2) / (2 * limit)) for e in errors) / len(errors)
    assert berhu_valid(prediction, target, valid).item() == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("absent", [math.nan, math.inf, 65536.0])
def test_pixels_without_depth_are_inert_whatever_they_hold(absent: float) -> None:
    prediction, target, known = random_depths()
    valid = known != INVALID
    prediction.requires_grad_()
    loss = berhu_valid(prediction, target, valid)
    other = berhu_valid(prediction, target.masked_fill(~valid, absent), valid)
    assert torch.equal(loss, other)
    (gradient,) = torch.autograd.grad(other, prediction)
    assert (gradient[~valid] == 0).all()
    assert (gradient[valid] != 0).all()


def test_no_valid_pixel_is_no_loss() -> None:
    prediction = torch.rand(2, 1, 3, 3, requires_grad=True)
    loss = berhu_valid(prediction, torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))  # type: ignore[arg-type]
    assert valid_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)).item() == 0


def test_berhu_refuses_other_shapes_and_masks() -> None:
    prediction, target, known = random_depths()
    with pytest.raises(ValueError, match=r"target \(3, 1, 4, 4\)"):
        berhu_valid(prediction, target[..., 1:], known != 1)
    with pytest.raises(ValueError, match=r"of torch.float64, expected \(3, 1, 4, 5\) of torch.bool"):
        berhu_valid(prediction, target, known)
    with pytest.raises(ValueError, match=r"valid has shape \(2, 1, 4, 5\)"):
        berhu_valid(prediction, target, known[:2] != 1)


def test_golden_facts_6_and_7() -> None:
    assert difficulty_of(FIVE).flatten().tolist() == pytest.approx([1, 0.801, 0.001, 0.001, 1], abs=1e-6)
    six = difficulty_of([*FIVE, (1, 1, 1)])
    assert six.mean().item() == pytest.approx(0.63383, abs=5e-6)
    weights = pixel_weights(torch.ones(1, 1, 6), six).flatten().tolist()
    assert weights == pytest.approx([1.5777, 1.2637, 0.0016, 0.0016, 1.5777, 1.5777], abs=5e-5)


@pytest.mark.parametrize(("mode", "expected"), [("batch_mean", 1.47222), ("per_image", 2.94150)])
def test_golden_fact_8(mode: str, expected: float) -> None:
    """Released: both images have the mean of both difficulties."""
    sure = torch.full((1, 19, 1, 1), -1e4)
    sure[:, 0] = 1e4
    logits, label = torch.cat([torch.zeros(1, 19, 1, 1), sure]), torch.zeros(2, 1, 1, dtype=torch.long)
    difficulty = torch.tensor([1, 0.001]).view(2, 1, 1, 1)
    weight = pixel_weights(torch.ones(2, 1, 1), difficulty, mode)  # type: ignore[arg-type]
    assert cross_entropy(logits, label, pixel_weight=weight).item() == pytest.approx(expected, abs=1e-5)


def test_off_is_confidence_alone() -> None:
    confidence = torch.rand(3, 4, 5)
    assert torch.equal(pixel_weights(confidence, adaptation_difficulty(*random_depths()).float(), "off"), confidence)


def test_modes_agree_on_one_image_and_keep_the_mean() -> None:
    one = adaptation_difficulty(*random_depths(batch=1))
    ones = torch.ones(1, 4, 5, dtype=torch.float64)
    assert torch.allclose(pixel_weights(ones, one), pixel_weights(ones, one, "batch_mean"))
    three = adaptation_difficulty(*random_depths())
    for mode in MODES:
        weights = pixel_weights(torch.ones(3, 4, 5, dtype=torch.float64), three, mode)
        assert weights.mean().item() == pytest.approx(1)


def test_difficulty_twin_and_range() -> None:
    ours, theirs, known = random_depths()
    found = adaptation_difficulty(ours, theirs, known)
    for a, b, g, d in zip(*(x.flatten().tolist() for x in (ours, theirs, known, found)), strict=True):
        assert d == pytest.approx(min(1.0, max(0.0, 1 - abs(a - b) / g) + 0.001 + (g == 1)), rel=1e-12)
    assert torch.equal(found, adaptation_difficulty(theirs, ours, known))
    assert ((found >= 0.001) & (found <= 1)).all()


def test_no_gradient_passes_and_half_precision_is_compared_in_full() -> None:
    ours, theirs, known = (x.half().requires_grad_() for x in random_depths())
    found = adaptation_difficulty(ours, theirs, known)
    assert not found.requires_grad
    assert found.dtype == torch.float32


def test_difficulty_refuses_other_shapes_and_modes() -> None:
    ours, theirs, known = random_depths()
    with pytest.raises(ValueError, match=r"supervision \(3, 4, 5\), expected \(B, 1, H, W\)"):
        adaptation_difficulty(ours, theirs, known[:, 0])
    with pytest.raises(ValueError, match=r"\(3, 1, 4, 5\) and \(3, 1, 4, 5\), expected \(B, H, W\)"):
        pixel_weights(known, ours)
    with pytest.raises(ValueError, match="mode is 'mean', expected one of per_image"):
        pixel_weights(known[:, 0], ours, "mean")  # type: ignore[arg-type]


def test_nothing_waits_for_a_value() -> None:
    depth = torch.ones(2, 1, 3, 3, device="meta")
    assert berhu_valid(depth, depth, depth != 1).device.type == "meta"
    for mode in MODES:
        difficulty = adaptation_difficulty(depth, depth, depth)
        assert pixel_weights(depth[:, 0], difficulty, mode).device.type == "meta"
