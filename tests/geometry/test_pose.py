"""Rotations and rigid transforms."""

import math

import pytest
import torch

from vergence.geometry.pose import (
    axis_angle_to_matrix,
    invert_transform,
    matrix_to_axis_angle,
    transform_from_parameters,
)


def vectors(*angles: float, count: int = 5) -> torch.Tensor:
    """Random axes times the angles, (len(angles) * count, 3) float64."""
    axes = torch.randn(len(angles), count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    unit = axes / axes.norm(dim=-1, keepdim=True)
    return (unit * torch.tensor(angles, dtype=torch.float64)[:, None, None]).flatten(0, 1)


def skew(v: torch.Tensor) -> torch.Tensor:
    x, y, z = v.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=v.dtype)


ANGLES = (1e-9, 1e-6, 1e-4, 9e-4, 1.1e-3, 3e-3, 3.3e-3, 0.1, 1.0, 3.0)


def test_quarter_turn() -> None:
    """Golden fact 5."""
    got = axis_angle_to_matrix(torch.tensor([0, 0, math.pi / 2], dtype=torch.float64))
    assert torch.allclose(got, torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 3e-7)])
def test_is_the_matrix_exponential(dtype: torch.dtype, tolerance: float) -> None:
    """At both sides of where the series takes over."""
    for vector in vectors(*ANGLES):
        expected = torch.matrix_exp(skew(vector))
        got = axis_angle_to_matrix(vector.to(dtype)).double()
        assert (got - expected).abs().max() <= tolerance + 1e-7 * (dtype == torch.float32) * vector.norm()


def test_rotations_are_orthonormal() -> None:
    rotation = axis_angle_to_matrix(vectors(*ANGLES))
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64).expand_as(rotation), atol=1e-13)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(len(rotation), dtype=torch.float64))


def test_zero_is_identity_with_the_true_gradient() -> None:
    """d R / d v at zero is the generator of the rotation, not 0 and not NaN."""
    zero = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    rotation = axis_angle_to_matrix(zero)
    assert torch.equal(rotation, torch.eye(3, dtype=torch.float64))
    for axis in range(3):
        unit = torch.eye(3, dtype=torch.float64)[axis]
        jacobian = torch.stack([torch.autograd.grad(r, zero, retain_graph=True)[0][axis] for r in rotation.flatten()])
        assert torch.equal(jacobian.view(3, 3), skew(unit))


@pytest.mark.parametrize("angle", [0.0, 1e-5, 1e-4, 1e-2, 1.0, 3.0])
def test_gradient(angle: float) -> None:
    vector = vectors(angle, count=2).requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, vector, eps=1e-6, atol=1e-7)


def test_round_trip() -> None:
    vector = vectors(0.0, *ANGLES, math.pi - 1e-4)
    assert torch.allclose(matrix_to_axis_angle(axis_angle_to_matrix(vector)), vector, atol=1e-9)


def test_half_turns() -> None:
    """The axis of a half turn is known up to its sign."""
    for rotation in axis_angle_to_matrix(vectors(math.pi)):
        vector = matrix_to_axis_angle(rotation)
        assert vector.norm().item() == pytest.approx(math.pi)
        assert torch.allclose(axis_angle_to_matrix(vector), rotation, atol=1e-7)


def test_inverse_of_identity_and_shapes() -> None:
    assert torch.equal(matrix_to_axis_angle(torch.eye(3).expand(2, 4, 3, 3)), torch.zeros(2, 4, 3))
    assert axis_angle_to_matrix(torch.zeros(2, 4, 3)).shape == (2, 4, 3, 3)
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        axis_angle_to_matrix(torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        matrix_to_axis_angle(torch.eye(4))


def test_transform_golden() -> None:
    """Three Ways golden fact 5."""
    turn = torch.tensor([[0, 0, math.pi / 2]], dtype=torch.float64)
    move = torch.tensor([[1.0, 2, 3]], dtype=torch.float64)
    forward = transform_from_parameters(turn, move)[0]
    expected = torch.tensor([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], dtype=torch.float64)
    assert torch.allclose(forward, expected, atol=1e-12)
    inverse = transform_from_parameters(turn, move, invert=True)[0]
    assert torch.allclose(inverse[:3, 3], torch.tensor([-2.0, 1, -3], dtype=torch.float64), atol=1e-12)
    assert torch.allclose(inverse[:3, :3], expected[:3, :3].T, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverted_times_forward_is_identity(dtype: torch.dtype) -> None:
    turn = vectors(*ANGLES).to(dtype)
    move = 3 * turn.flip(-1) + 1
    forward = transform_from_parameters(turn, move)
    identity = torch.eye(4, dtype=dtype).expand_as(forward)
    assert torch.allclose(transform_from_parameters(turn, move, invert=True) @ forward, identity, atol=1e-5)
    assert torch.allclose(invert_transform(forward) @ forward, identity, atol=1e-5)
    assert torch.allclose(invert_transform(forward), transform_from_parameters(turn, move, invert=True), atol=1e-6)
    assert forward.dtype == dtype


def test_transform_gradient() -> None:
    turn, move = vectors(0.0, 0.3, count=1).requires_grad_(), vectors(1.0, 2.0, count=1).requires_grad_()
    for invert in (False, True):
        assert torch.autograd.gradcheck(lambda r, t, i=invert: transform_from_parameters(r, t, i), (turn, move))


def test_transform_shapes() -> None:
    assert transform_from_parameters(torch.zeros(2, 5, 3), torch.zeros(2, 5, 3)).shape == (2, 5, 4, 4)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 3\)"):
        transform_from_parameters(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        invert_transform(torch.zeros(3, 4))
