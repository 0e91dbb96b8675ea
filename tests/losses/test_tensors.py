"""What losses on maps ask of their tensors."""

import pytest
import torch

from vergence.losses.tensors import broadcasts_to, full_precision


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.int64, torch.float32),
    ],
)
def test_at_least_single_precision(given, expected):
    x = torch.tensor([1, 2], dtype=given)
    assert full_precision(x).dtype == expected
    assert full_precision(x).tolist() == [1, 2]


@pytest.mark.parametrize(
    "shape", [(), (4,), (3, 4), (1, 4), (3, 1), (2, 3, 4), (1, 1, 4), (2,), (4, 3), (1, 2, 3, 4), (5, 3, 4)]
)
def test_broadcasting_is_pytorchs(shape):
    wanted = (2, 3, 4)
    try:
        same = torch.broadcast_shapes(shape, wanted) == wanted
    except RuntimeError:
        same = False
    assert broadcasts_to(shape, wanted) == same
