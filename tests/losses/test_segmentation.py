"""Cross-entropy, pseudo-labels and entropy against golden facts of Three Ways and slow float64 twins."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.segmentation import class_balance_weight, cross_entropy, pixel_entropy, pseudo_labels

LN19 = 2.944439


def maps(size: tuple[int, int] = (3, 4), classes: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Logits (2, K, h, w) and target (2, 3, 4) with ignored pixels."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(2, classes, *size, generator=generator, dtype=torch.float64)
    target = torch.randint(0, classes, (2, 3, 4), generator=generator)
    target[0, 0, :2] = target[1, 2, 3] = 255
    return logits.to(dtype).requires_grad_(), target


def slow_pixel_losses(logits: Tensor, target: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """-log of the softmax, pixel by pixel; 0 where ignored."""
    out = torch.zeros(target.shape, dtype=torch.float64)
    for b, y, x in torch.cartesian_prod(*(torch.arange(n) for n in target.shape)).tolist():
        label = int(target[b, y, x])
        if label != 255:
            exponents = [math.exp(value) for value in logits[b, :, y, x].tolist()]
            weight = 1.0 if class_weight is None else float(class_weight[label])
            out[b, y, x] = -weight * math.log(exponents[label] / sum(exponents))
    return out


def test_uniform_logits() -> None:
    """Golden fact 9: ln K, as a mean over valid pixels; with a weight, as a mean over all."""
    logits, target = torch.zeros(1, 19, 2, 2), torch.tensor([[[0, 5], [18, 255]]])
    assert cross_entropy(logits, target).item() == pytest.approx(LN19, rel=1e-6)
    weighted = cross_entropy(logits, target, pixel_weight=torch.tensor(0.5).expand(1, 2, 2))
    assert weighted.item() == pytest.approx(1.104165, rel=1e-6)


def test_is_the_mean_over_valid_pixels() -> None:
    logits, target = maps()
    expected = slow_pixel_losses(logits, target).sum() / (target != 255).sum()
    assert cross_entropy(logits, target).item() == pytest.approx(expected.item(), rel=1e-12)


def test_class_weights_weigh_the_mean() -> None:
    logits, target = maps()
    weight = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64)
    total = weight[target[target != 255]].sum()
    expected = slow_pixel_losses(logits, target, weight).sum() / total
    assert cross_entropy(logits, target, weight).item() == pytest.approx(expected.item(), rel=1e-12)


def test_pixel_weights_keep_the_mean_over_all_pixels() -> None:
    logits, target = maps()
    pixel_weight = torch.rand(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    class_weight = torch.tensor([0.5, 2.0, 1.0, 0.0, 3.0], dtype=torch.float64)
    expected = (slow_pixel_losses(logits, target, class_weight) * pixel_weight).mean()
    got = cross_entropy(logits, target, class_weight, pixel_weight)
    assert got.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (6, 8)])
def test_logits_are_resized_with_aligned_corners(size: tuple[int, int]) -> None:
    logits, target = maps(size)
    resized = F.interpolate(logits, size=(3, 4), mode="bilinear", align_corners=True)
    assert resized[0, 0, 0, 0] == logits[0, 0, 0, 0]
    assert torch.equal(cross_entropy(logits, target), cross_entropy(resized, target))


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(weighted: bool) -> None:
    logits, target = maps((2, 3))
    weights = (torch.linspace(0.5, 2, 5).double(), torch.rand(2, 3, 4).double()) if weighted else (None, None)
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, target, *weights), [logits])


def test_ignored_pixels_get_no_gradient() -> None:
    logits, target = maps()
    (gradient,) = torch.autograd.grad(cross_entropy(logits, target), logits)
    ignored = (target == 255)[:, None].expand_as(gradient)
    assert (gradient[ignored] == 0).all()
    assert (gradient[~ignored] != 0).all()


@pytest.mark.parametrize("weights", [None, torch.ones(5), torch.zeros(5)])
def test_nothing_to_learn_from_is_zero(weights: Tensor | None) -> None:
    logits, target = maps(dtype=torch.float32)
    target = target if weights is not None and weights.sum() == 0 else torch.full_like(target, 255)
    loss = cross_entropy(logits, target, weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_logits_are_summed_in_full(dtype: torch.dtype) -> None:
    logits, target = maps(dtype=dtype)
    loss = cross_entropy(logits, target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(cross_entropy(logits.double(), target).item(), rel=1e-6)


def test_small_integer_labels_will_do() -> None:
    logits, target = maps()
    assert torch.equal(cross_entropy(logits, target.to(torch.uint8)), cross_entropy(logits, target))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logits": torch.zeros(2, 5, 3)}, r"\(2, 5, 3\)"),
        ({"target": torch.zeros(2, 1, 3, 4).long()}, r"\(2, 1, 3, 4\)"),
        ({"target": torch.zeros(1, 3, 4).long()}, r"\(1, 3, 4\)"),
        ({"class_weight": torch.ones(4)}, r"\(4,\), expected \(5,\)"),
        ({"pixel_weight": torch.ones(2, 4, 4)}, r"\(2, 4, 4\), expected \(2, 3, 4\)"),
        ({"pixel_weight": torch.ones(2, 2, 3, 4)}, r"\(2, 2, 3, 4\)"),
    ],
)
def test_wrong_shapes(changes: dict[str, Tensor], words: str) -> None:
    logits, target = maps()
    with pytest.raises(ValueError, match=words):
        cross_entropy(**{"logits": logits, "target": target, **changes})


def probabilities(*largest: float) -> Tensor:
    """(1, 3, 1, N) with this probability of class 1."""
    values = torch.zeros(1, 3, 1, len(largest))
    values[0, 1, 0] = torch.tensor(largest)
    return values


def test_confident_share_counts_all_pixels() -> None:
    """Golden fact 15."""
    label, confidence, share = pseudo_labels(probabilities(0.97, 0.5, 1, 0))
    assert label.tolist() == [[[1, 1, 1, 255]]]
    assert confidence[0, 0].tolist() == pytest.approx([0.97, 0.5, 1, 0])
    assert share.item() == 0.5


def test_the_threshold_itself_is_confident() -> None:
    assert pseudo_labels(probabilities(0.968))[2].item() == 1
    assert pseudo_labels(probabilities(0.9679999))[2].item() == 0


def test_half_precision_does_not_round_the_threshold() -> None:
    """0.9678 in half precision is 0.96777, below 0.968, which half precision would round to the same number."""
    assert pseudo_labels(probabilities(0.9678).half())[2].item() == 0


def test_shares_of_large_maps_are_exact() -> None:
    values = torch.zeros(1, 2, 300, 400, dtype=torch.float16)
    values[:, 0, :, :100] = 1
    values[:, 1, :, 100:] = 0.6
    assert pseudo_labels(values)[2].item() == 0.25


def test_pseudo_labels_have_no_gradient() -> None:
    label, confidence, share = pseudo_labels(torch.rand(1, 3, 2, 2, requires_grad=True))
    assert not any(tensor.requires_grad for tensor in (label, confidence, share))


def test_entropy_of_known_distributions() -> None:
    """Golden fact 10."""
    assert pixel_entropy(torch.zeros(1, 19, 1, 2)).flatten().tolist() == pytest.approx([1, 1])
    certain = torch.tensor([10.0, 0.0]).view(1, 2, 1, 1)
    assert pixel_entropy(certain).item() == pytest.approx(7.2048e-4, rel=1e-4)


def test_entropy_twin_and_gradient() -> None:
    logits, _ = maps()
    p = logits.detach().softmax(1)
    expected = -(p * p.log()).sum(1) / math.log(5)
    assert torch.allclose(pixel_entropy(logits), expected, rtol=1e-12)
    assert torch.autograd.gradcheck(pixel_entropy, [logits])


def test_entropy_of_impossible_classes() -> None:
    logits = torch.tensor([300.0, 0.0, -torch.inf]).view(1, 3, 1, 1).requires_grad_()
    entropy = pixel_entropy(logits)
    (gradient,) = torch.autograd.grad(entropy.sum(), logits)
    assert entropy.item() == 0
    assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 1, 3, 4)])
def test_entropy_needs_classes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(B, K, H, W\)"):
        pixel_entropy(torch.zeros(shape))


def test_pseudo_labels_need_classes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 4\), expected"):
        pseudo_labels(torch.zeros(2, 3, 4))


def test_nothing_waits_for_a_value() -> None:
    """On tensors without values, anything that reads one raises."""
    logits = torch.empty(2, 5, 4, 4, device="meta", requires_grad=True)
    label, _, share = pseudo_labels(logits)
    weight = torch.ones(5, device="meta")
    for loss in (
        cross_entropy(logits[..., :2, :2], label, weight),
        cross_entropy(logits, label, pixel_weight=share.expand(label.shape)),
        pixel_entropy(logits).mean(),
    ):
        assert torch.autograd.grad(loss, logits)[0].device.type == "meta"


def test_balanced_classes_weigh_by_their_shares() -> None:
    label = torch.tensor([[[0, 0, 0, 0, 0, 0, 0, 0, 1, 255]]])
    even = class_balance_weight(label, 1.0)
    assert float(even[label == 0].sum()) == pytest.approx(float(even[label == 1].sum()))
    root = class_balance_weight(label, 0.5)
    assert float(root[0, 0, 8] / root[0, 0, 0]) == pytest.approx(8**0.5)
    assert float(root[0, 0, 9]) == 0
    assert torch.equal(class_balance_weight(label, 0.0), (label != 255).float())
    sure = torch.ones_like(label).float()
    sure[0, 0, :7] = 0  # one sure pixel of either class
    assert float(class_balance_weight(label, 1.0, sure)[0, 0, 7:9].diff()) == pytest.approx(0)
