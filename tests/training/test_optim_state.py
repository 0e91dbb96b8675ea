"""What an optimiser keeps is put back, or refused."""

import importlib
import json

import pytest
import torch
from torch import nn

from tests.training.small_models import groups, network, trained
from vergence.errors import InputError
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import build_optimizer
from vergence.training.optim_state import optimizer_state, restore_optimizer

list_optimizers = importlib.import_module("timm.optim").list_optimizers  # after vergence, which repairs torchvision


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimisers_and_their_state_survive_storing(name: str, kind: type) -> None:
    config = OptimConfig(name=name, lr=0.1, weight_decay=0.01)  # type: ignore[arg-type]
    model = network().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config, groups(model))
    assert type(optimizer) is kind

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.ones(1, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step(model, optimizer)
    tensors, values = optimizer_state(optimizer, model)
    twin = network().to(memory_format=torch.channels_last)
    twin.load_state_dict(model.state_dict())
    restored = build_optimizer(config, groups(twin))
    restore_optimizer(restored, twin, {key: value.contiguous().clone() for key, value in tensors.items()}, values)
    for _ in range(3):
        step(model, optimizer)
        step(twin, restored)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


def deep() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 16, 3))


NEEDS_CUDA = ("bnb", "fused")


TIMMS = [name for name in list_optimizers() if not str(name).startswith(NEEDS_CUDA)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*TIMMS, "lookahead_adamw", "lookahead_sgd"])
def test_every_optimiser_of_timm_is_resumed_to_the_same_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    config = OptimConfig(name=name, lr=1e-3, weight_decay=0.01, group_lr={"a": 1e-4})

    def parts(model: nn.Sequential) -> list[dict]:
        return [{"name": name, "params": [*model[k].parameters()]} for k, name in ((0, "a"), (1, "b"), (3, "c"))]

    model = deep().to(memory_format=torch.channels_last)
    if name == "adahessian":
        with pytest.raises(InputError, match="needs second derivatives"):
            build_optimizer(config, parts(model))
        return
    optimizer = build_optimizer(config, parts(model))
    trained(model, optimizer, config, range(8))
    tensors, values = optimizer_state(optimizer, model)
    stored = json.loads(json.dumps(values))
    twin = deep().to(memory_format=torch.channels_last)
    twin.load_state_dict(model.state_dict())
    restored = build_optimizer(config, parts(twin))
    restore_optimizer(restored, twin, {key: value.contiguous().clone() for key, value in tensors.items()}, stored)
    trained(model, optimizer, config, range(8, 13))
    trained(twin, restored, config, range(8, 13))
    pairs = list(zip(model.parameters(), twin.parameters(), strict=True))
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not any(torch.equal(one, start) for one, start in zip(model.parameters(), deep().parameters(), strict=True))


def test_state_of_another_network() -> None:
    optimizer = build_optimizer(OptimConfig(), groups(network()))
    for name, value in {"9.weight/exp_avg": torch.ones(1), "0.weight/exp_avg": torch.ones(2, 2)}.items():
        with pytest.raises(InputError, match="does not fit"):
            restore_optimizer(optimizer, network(), {name: value}, {})
