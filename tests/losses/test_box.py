"""Window sums against a loop, and the adjoint against its definition."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vergence.losses.box import box_sum, box_sum_adjoint, traced_box_sum

SHAPES = [(2, 2), (2, 5), (3, 3), (7, 2), (6, 9)]


def run(function, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    before = x.clone()
    result = function(x, torch.full_like(x, torch.nan), torch.full_like(x, torch.nan))
    assert torch.equal(x, before)
    return result


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_sum(shape: tuple[int, int]) -> None:
    x = rand(2, 3, *shape)
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    expected = torch.zeros_like(x)
    for row in range(3):
        for column in range(3):
            expected += padded[..., row : row + shape[0], column : column + shape[1]]
    assert torch.allclose(run(box_sum, x), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_adjoint(shape: tuple[int, int]) -> None:
    """<sum(x), g> = <x, adjoint(g)> for every x and g."""
    x, g = rand(1, *shape), rand(1, *shape, seed=1)
    assert torch.allclose((run(box_sum, x) * g).sum(), (x * run(box_sum_adjoint, g)).sum())
    basis = torch.eye(shape[0] * shape[1], dtype=torch.float64).view(-1, *shape)
    matrix, transposed = run(box_sum, basis).flatten(1), run(box_sum_adjoint, basis).flatten(1)
    assert torch.equal(matrix, transposed.T)


def test_strided_input() -> None:
    x = rand(4, 6, 5).mT[::2]
    assert torch.allclose(run(box_sum, x), run(box_sum, x.contiguous()))
    assert torch.allclose(run(box_sum_adjoint, x), run(box_sum_adjoint, x.contiguous()))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_traced_is_the_sum_and_its_gradient_the_adjoint(shape: tuple[int, int]) -> None:
    x, g = rand(2, 3, *shape).requires_grad_(), rand(2, 3, *shape, seed=1)
    found = traced_box_sum(x)
    found.backward(g)
    assert torch.allclose(found, run(box_sum, x.detach()), rtol=1e-14)
    assert x.grad is not None
    assert torch.allclose(x.grad, run(box_sum_adjoint, g), rtol=1e-13)
