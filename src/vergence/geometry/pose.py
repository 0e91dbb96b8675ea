"""Rotations and rigid transforms. ``T_ab`` maps points from b to a; vectors are columns."""

import torch
from torch import Tensor


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3), radians.

    Rodrigues' formula R = I + a [v]x + b [v]x^2 with a = sin t / t and b = (1 - cos t) / t^2, as series near zero: the
    zero vector gives the identity with its true, finite gradient.

    Example:
        >>> quarter_turn = torch.tensor([0.0, 0.0, torch.pi / 2])
        >>> (axis_angle_to_matrix(quarter_turn) @ torch.tensor([1.0, 0.0, 0.0])).round().abs().tolist()
        [0.0, 1.0, 0.0]
    """
    _check_vector("axis_angle_to_matrix", axis_angle)
    square = axis_angle.square().sum(dim=-1)[..., None, None]
    small = square < 1e-8 if axis_angle.dtype == torch.float64 else square < 1e-5
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    a = torch.where(small, 1 - square / 6 + square.square() / 120, angle.sin() / angle)
    half = (angle / 2).sin() / angle  # 2 sin^2(t / 2) does not cancel, 1 - cos t does
    b = torch.where(small, 0.5 - square / 24 + square.square() / 720, 2 * half.square())
    cross = _cross_matrix(axis_angle)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + a * cross + b * (cross @ cross)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation vectors (..., 3) with angles in [0, pi] of rotation matrices (..., 3, 3).

    Example:
        >>> matrix_to_axis_angle(torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
        tensor([0.0000, 0.0000, 1.5708])
    """
    if matrix.shape[-2:] != (3, 3):
        raise ValueError(f"matrix_to_axis_angle: matrix must be (..., 3, 3), received {tuple(matrix.shape)}")
    quaternion = _matrix_to_quaternion(matrix)
    quaternion = torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    w, vector = quaternion[..., :1], quaternion[..., 1:]
    square = vector.square().sum(dim=-1, keepdim=True)
    small = square < 1e-14
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    return vector * torch.where(small, 2 / w, 2 * torch.atan2(sine, w) / sine)


def transform_from_parameters(axis_angle: Tensor, translation: Tensor, invert: bool = False) -> Tensor:
    """Rigid transforms (..., 4, 4) of a rotation vector and a translation (..., 3).

    Forward: T = Trans(t) Rot(r). With ``invert`` the inverse of that, Rot(r)^T Trans(-t) (spec section 1.2).

    Example:
        >>> ahead = transform_from_parameters(torch.zeros(3), torch.tensor([0.0, 0.0, 2.0]))
        >>> (ahead @ ahead @ torch.tensor([1.0, 0.0, 5.0, 1.0])).tolist()
        [1.0, 0.0, 9.0, 1.0]
    """
    _check_vector("transform_from_parameters", axis_angle)
    if translation.shape != axis_angle.shape:
        raise ValueError(
            "transform_from_parameters: axis_angle and translation must have the same shape, received "
            f"{tuple(axis_angle.shape)} and {tuple(translation.shape)}"
        )
    rotation = axis_angle_to_matrix(axis_angle)
    if invert:
        rotation = rotation.mT
        translation = -(rotation @ translation[..., None])[..., 0]
    return _assemble(rotation, translation)


def invert_transform(transform: Tensor) -> Tensor:
    """Inverse of rigid transforms (..., 4, 4): rotation transposed, translation -R^T t.

    Example:
        >>> ahead = transform_from_parameters(torch.zeros(3), torch.tensor([0.0, 0.0, 2.0]))
        >>> torch.equal(invert_transform(ahead) @ ahead, torch.eye(4))
        True
    """
    if transform.shape[-2:] != (4, 4):
        raise ValueError(f"invert_transform: transform must be (..., 4, 4), received {tuple(transform.shape)}")
    rotation = transform[..., :3, :3].mT
    return _assemble(rotation, -(rotation @ transform[..., :3, 3:])[..., 0])


def _assemble(rotation: Tensor, translation: Tensor) -> Tensor:
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = torch.zeros_like(top[..., :1, :])
    bottom[..., 3] = 1
    return torch.cat([top, bottom], dim=-2)


def _cross_matrix(vector: Tensor) -> Tensor:
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def _matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions (..., 4), w first, from the largest of the four squared components (Shepperd 1978)."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in matrix.unbind(-2))
    squares = torch.stack([1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i], dim=-1)
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], h - f, c - g, d - b], dim=-1),
            torch.stack([h - f, squares[..., 1], b + d, c + g], dim=-1),
            torch.stack([c - g, b + d, squares[..., 2], f + h], dim=-1),
            torch.stack([d - b, c + g, f + h, squares[..., 3]], dim=-1),
        ],
        dim=-2,
    )
    best = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    return torch.nn.functional.normalize(candidates.gather(-2, best)[..., 0, :], dim=-1)


def _check_vector(caller: str, vector: Tensor) -> None:
    if vector.dim() < 1 or vector.shape[-1] != 3:
        raise ValueError(f"{caller}: vector must be (..., 3), received {tuple(vector.shape)}")
