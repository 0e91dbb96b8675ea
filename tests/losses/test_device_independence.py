"""What a GPU would run: the whole batch at once, and never a value that the host must wait for."""

import importlib

import pytest
import torch
from torch import Tensor

from vergence.geometry.pose import transform_from_parameters
from vergence.losses import photometric as photometric_module
from vergence.losses.depth import feature_distance
from vergence.losses.self_supervised import prepare_views, self_supervised_loss
from vergence.settings.losses import ViewLossOptions

BATCH, SOURCES, HEIGHT, WIDTH = 3, 2, 16, 24


def step(device: str, normalise: str = "all") -> tuple[Tensor, list[Tensor]]:
    """The whole loss at three scales on a device, and its gradients to disparities and poses."""
    generator = torch.Generator().manual_seed(0)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    target, sources = rand(BATCH, 3, HEIGHT, WIDTH), rand(BATCH, SOURCES, 3, HEIGHT, WIDTH)
    K = torch.tensor([[14.0, 0, 11.5], [0, 14, 7.5], [0, 0, 1]]).to(device).expand(BATCH, 3, 3)
    turn, move = ((0.1 * rand(BATCH, SOURCES, 3)).requires_grad_() for _ in range(2))
    disparities = {scale: rand(BATCH, 1, HEIGHT >> scale, WIDTH >> scale).requires_grad_() for scale in range(3)}
    options = ViewLossOptions(min_depth=0.5, max_depth=20.0, normalise=normalise)  # type: ignore[arg-type]
    views = prepare_views(
        target,
        sources,
        K,
        K[:, None].expand(-1, SOURCES, -1, -1),
        transform_from_parameters(turn, move),
        options,
        torch.tensor([[True, True], [True, False], [False, False]]).to(device),
    )
    photometric, smoothness, _ = self_supervised_loss(disparities, views, options)
    loss = torch.stack([*photometric.values(), *smoothness.values()]).sum() + feature_distance(target, sources[:, 0])
    return loss, list(torch.autograd.grad(loss, [*disparities.values(), turn, move]))


@pytest.mark.parametrize("normalise", ["all", "kept"])
def test_nothing_waits_for_a_value(normalise: str) -> None:
    """On tensors without values, anything that reads one (.item(), an if on a tensor, a boolean index) raises."""
    loss, gradients = step("meta", normalise)
    assert loss.shape == ()
    assert all(gradient.device.type == "meta" for gradient in gradients)


def test_the_whole_batch_at_once_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, gradients = step("cpu")
    for module in (importlib.import_module("vergence.geometry.warp"), photometric_module):
        monkeypatch.setattr(module, "cache_blocks", lambda x: [slice(None)])
    whole_loss, whole_gradients = step("cpu")
    assert torch.allclose(loss, whole_loss, rtol=1e-6)
    for one, other in zip(gradients, whole_gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)
