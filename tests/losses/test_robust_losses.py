"""Cross-entropies that bear wrong labels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.segmentation import cross_entropy, generalised_cross_entropy, symmetric_cross_entropy


def maps(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (2, 5, 3, 4), labels with ignored pixels, and weights."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(2, 5, 3, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 5, (2, 3, 4), generator=generator)
    target[0, 0, :2] = target[1, 2, 3] = 255
    weight = torch.rand(2, 3, 4, generator=generator, dtype=torch.float64)
    return logits.to(dtype).requires_grad_(), target, weight


def means(losses: Tensor, target: Tensor, weight: Tensor) -> tuple[float, float]:
    """Over valid pixels, and weighted over all."""
    valid = target != 255
    return losses[valid].mean().item(), ((losses * weight)[valid].sum() / target.numel()).item()


def probability(logits: Tensor, target: Tensor) -> Tensor:
    return logits.detach().softmax(1).gather(1, target.clamp(max=4)[:, None])[:, 0]


@pytest.mark.parametrize("q", [0.2, 0.7, 1.0])
def test_generalised(q: float) -> None:
    logits, target, weight = maps()
    expected = means((1 - probability(logits, target) ** q) / q, target, weight)
    assert generalised_cross_entropy(logits, target, q).item() == pytest.approx(expected[0], rel=1e-12)
    found = generalised_cross_entropy(logits, target, q, pixel_weight=weight).item()
    assert found == pytest.approx(expected[1], rel=1e-12)
    assert torch.autograd.gradcheck(lambda x: generalised_cross_entropy(x, target, q, weight), (logits,))


def test_generalised_is_cross_entropy_for_small_q() -> None:
    logits, target, _ = maps()
    assert generalised_cross_entropy(logits, target, 1e-9).item() == pytest.approx(
        cross_entropy(logits, target).item(), rel=1e-6
    )


def test_symmetric() -> None:
    logits, target, weight = maps()
    p, hot = probability(logits, target), F.one_hot(target.clamp(max=4), 5).movedim(-1, 1)
    reverse = -(logits.detach().softmax(1) * torch.where(hot == 1, 0.0, -4.0)).sum(1)
    expected = means(0.1 * -p.log() + reverse, target, weight)
    assert symmetric_cross_entropy(logits, target).item() == pytest.approx(expected[0], rel=1e-12)
    found = symmetric_cross_entropy(logits, target, pixel_weight=weight).item()
    assert found == pytest.approx(expected[1], rel=1e-12)
    assert torch.autograd.gradcheck(lambda x: symmetric_cross_entropy(x, target, 0.3, 0.5), (logits,))
    plain = symmetric_cross_entropy(logits, target, alpha=1.0, beta=0.0)
    assert plain.item() == pytest.approx(cross_entropy(logits, target).item(), rel=1e-12)


@pytest.mark.parametrize("loss", [generalised_cross_entropy, symmetric_cross_entropy])
def test_wrong_labels_pull_less_than_doubtful_ones(loss) -> None:
    """Cross-entropy pulls hardest at the most improbable label; these do not."""
    logits = torch.tensor([[-9.0, 0.0], [-1.0, 0.0]]).T[None, :, None].requires_grad_()
    target = torch.zeros(1, 1, 2, dtype=torch.long)
    loss(logits, target).backward()
    robust = logits.grad.abs().sum(1).flatten()
    logits.grad = None
    cross_entropy(logits, target).backward()
    plain = logits.grad.abs().sum(1).flatten()
    assert plain[0] > plain[1]
    assert robust[0] < robust[1]


@pytest.mark.parametrize("loss", [generalised_cross_entropy, symmetric_cross_entropy])
def test_edges(loss) -> None:
    logits, target, _ = maps(torch.float32)
    ignored = torch.full_like(target, 255)
    assert loss(logits, ignored).item() == 0
    loss(logits * 1e4, target).backward()
    assert torch.isfinite(logits.grad).all()
    assert loss(logits.half(), target).dtype == torch.float32
    assert loss(logits, target.repeat_interleave(2, 1)).isfinite()
    with pytest.raises(ValueError, match="expected \\(B, K, h, w\\) and"):
        loss(logits[0], target)
    with pytest.raises(ValueError, match="pixel_weight has shape"):
        loss(logits, target, pixel_weight=torch.ones(7))


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5])
def test_bad_q(q: float) -> None:
    logits, target, _ = maps()
    with pytest.raises(ValueError, match="expected above 0 and at most 1"):
        generalised_cross_entropy(logits, target, q)
