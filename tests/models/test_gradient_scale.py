"""The identity with a scaled gradient."""

import torch

from vergence.models.gradient_scale import scale_gradient


def test_identity_with_a_scaled_gradient() -> None:
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.equal(scale_gradient(x, 0.3), x)
    scale_gradient(x, 0.3).square().sum().backward()
    torch.testing.assert_close(x.grad, 0.6 * x.detach())
    assert scale_gradient(x, 1.0) is x
