"""Edge-aware smoothness against the golden facts and a loop."""

import math

import pytest
import torch
from torch import Tensor

from vergence.losses.smoothness import edge_aware_smoothness


def plain(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def naive(disparity: Tensor, image: Tensor) -> float:
    """Spec section 1.4, pixel by pixel."""
    total = {"x": [], "y": []}
    for b in range(len(disparity)):
        mean = disparity[b].mean().item() + 1e-7
        for row in range(disparity.shape[2]):
            for column in range(disparity.shape[3]):
                for axis, (down, right) in {"x": (0, 1), "y": (1, 0)}.items():
                    if row + down < disparity.shape[2] and column + right < disparity.shape[3]:
                        step = disparity[b, 0, row + down, column + right] - disparity[b, 0, row, column]
                        edge = image[b, :, row + down, column + right] - image[b, :, row, column]
                        total[axis].append(abs(step.item()) / mean * math.exp(-edge.abs().mean().item()))
    return sum(sum(values) / len(values) for values in total.values())


def test_golden_square() -> None:
    """Golden fact 11."""
    disparity, flat = plain([[1, 2], [3, 4]]), torch.full((1, 3, 2, 2), 0.4, dtype=torch.float64)
    assert edge_aware_smoothness(disparity, flat).item() == pytest.approx(1.2, abs=1e-6)
    assert edge_aware_smoothness(7 * disparity, flat).item() == pytest.approx(1.2, abs=1e-6)
    steps = plain([[0, 1], [0, 1]]).expand(1, 3, 2, 2)
    assert edge_aware_smoothness(disparity, steps).item() == pytest.approx(0.947152, abs=1e-6)
    assert edge_aware_smoothness(torch.full_like(disparity, 0.3), flat).item() == 0


@pytest.mark.parametrize(
    ("edge", "normalise", "expected"), [(0.0, False, 1.0), (0.0, True, 0.4), (1.0, False, (2 + math.exp(-1)) / 3)]
)
def test_golden_row(edge: float, normalise: bool, expected: float) -> None:
    """Three Ways golden fact 4, the row repeated (no step downwards)."""
    disparity = plain([[1, 2, 3, 4]] * 2)
    image = edge * plain([[0, 0, 1, 1]] * 2).expand(1, 3, 2, 4)
    assert edge_aware_smoothness(disparity, image, normalise).item() == pytest.approx(expected, abs=1e-6)


def test_against_naive_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    disparity = 0.1 + torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    disparity[1] *= 10  # every image is divided by its own mean
    image = torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    assert edge_aware_smoothness(disparity, image).item() == pytest.approx(naive(disparity, image), rel=1e-9)


def test_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    disparity = (0.1 + torch.rand(2, 1, 3, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    image = torch.rand(2, 3, 3, 4, generator=generator, dtype=torch.float64)
    for normalise in (True, False):
        assert torch.autograd.gradcheck(lambda d, n=normalise: edge_aware_smoothness(d, image, n), disparity)


def test_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 5\) and image \(2, 3, 4, 6\)"):
        edge_aware_smoothness(torch.ones(2, 1, 4, 5), torch.ones(2, 3, 4, 6))
    with pytest.raises(ValueError, match=r"\(1, 1, 4, 5\)"):
        edge_aware_smoothness(torch.ones(1, 1, 4, 5), torch.ones(2, 3, 4, 5))
