"""Training, evaluation and prediction on a device, without one: nothing is mixed, and no step waits for the device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.device_loops import STEPS, loop_on_device, write_towns
from tests.pretend_cuda import CUDA, STAGED, pinned, pretend_cuda
from vergence.inference.predictor import load
from vergence.losses.hint_verification import candidate_errors
from vergence.losses.self_supervised import prepare_views
from vergence.methods.registry import method_named, method_names
from vergence.runs.checkpoint import LoadedRun
from vergence.settings.losses import ViewLossOptions
from vergence.training.tracking import RunLog


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_towns(tmp_path_factory.mktemp("towns"))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_waits_for_nothing_and_all_runs_on_the_device(name: str, tmp_path: Path, towns: dict[str, Path]) -> None:
    with loop_on_device(name, tmp_path, towns) as (loop, watch):
        loop._step()
        watch.clear()
        loop._step()
        found = watch.of("mix", "read", "copy")
        assert found == [], "\n".join(found)
        assert watch.operations["convolution"] > 5
        updates = sum(watch.operations[f"_fused_{kind}_"] for kind in ("adam", "adamw", "sgd"))
        assert updates <= len(loop.state.optimizer.param_groups)
        losses = loop._finite_losses()
        assert losses["loss"] > 0
        watch.clear()
        loop.log = RunLog(loop.folder, (), {}, False)
        loop.validation.judge(loop.state, loop.log)
        assert loop.validation.score is not None
        run = LoadedRun(tmp_path, loop.config, loop.state.method.eval(), loop.state.step)
        assert run.device == CUDA
        [said] = load(run).predict([np.full((80, 120, 3), 90, np.uint8)])
        assert said.image.shape == (80, 120, 3)
        found = watch.of("mix")
        assert found == [], "\n".join(found)
        assert watch.operations["convolution"] > 5


def test_hints_looked_at_together_on_a_device_have_the_errors_that_each_has_alone() -> None:
    generator, (height, width) = torch.Generator().manual_seed(0), (16, 24)
    camera = torch.tensor([[20.0, 0, 11.5], [0, 20, 7.5], [0, 0, 1]]).repeat(2, 1, 1)
    moved = torch.eye(4).repeat(2, 2, 1, 1)
    moved[:, :, 0, 3] = torch.tensor([[0.1, -0.2], [0.3, 0.05]])
    given = [
        torch.rand(2, 3, height, width, generator=generator),
        torch.rand(2, 2, 3, height, width, generator=generator),
        camera,
        camera[:, None].repeat(1, 2, 1, 1),
        moved,
    ]
    depths = torch.rand(2, 5, height, width, generator=generator) + 0.2
    allowed = torch.rand(2, 2, height, width, generator=generator) > 0.3
    options = ViewLossOptions(min_depth=0.5, max_depth=10.0)
    alone = candidate_errors(depths, prepare_views(*given, options), options, allowed)
    with pretend_cuda() as watch:
        there = [x.to(CUDA) for x in given]
        views = prepare_views(*there, options)
        watch.clear()
        together = candidate_errors(depths.to(CUDA), views, options, allowed.to(CUDA)).cpu()
        assert watch.operations["grid_sampler_2d"] == 1
    assert torch.equal(alone, together)
    assert alone.isinf().any()


def test_no_method_is_forgotten() -> None:
    own = {name for name in method_names() if method_named(name).__module__.startswith("vergence.")}
    assert {name.partition(",")[0] for name in STEPS} == own


class LooksBack(torch.autograd.Function):
    """Reads its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * float(gradient.sum())


LARGE = torch.zeros(STAGED)
PLANTED: dict[str, tuple[str, Callable[[Tensor], Any]]] = {
    "tensor of the CPU": ("mix", lambda x: x + torch.ones(4, 3)),
    "weights of the CPU": ("mix", lambda x: torch.nn.Linear(3, 2)(x)),
    "indices of the CPU": ("mix", lambda x: x.index_select(0, torch.tensor([1]))),
    "NumPy": ("mix", lambda x: np.asarray(x.detach())),
    "generator of the CPU": ("mix", lambda x: torch.rand(2, generator=torch.Generator(), device=x.device)),
    "item": ("read", lambda x: x.sum().item()),
    "float": ("read", lambda x: float(x.sum())),
    "tolist": ("read", lambda x: x.tolist()),
    "if": ("read", lambda x: 1 if x.sum() > 0 else 0),
    "max of two": ("read", lambda x: max(x[0, 0], x[0, 1])),
    "boolean index": ("read", lambda x: x[x > 0]),
    "index by a number on the device": ("read", lambda x: x[x.argmax() % 4]),
    "nonzero": ("read", lambda x: (x > 0).nonzero()),
    "where without values": ("read", lambda x: torch.where(x > 0)),
    "unique": ("read", lambda x: x.unique()),
    "cpu": ("read", lambda x: x.cpu()),
    "to the CPU": ("read", lambda x: x.to("cpu", non_blocking=True)),
    "equal": ("read", lambda x: torch.equal(x, x)),
    "inverse": ("read", lambda x: torch.linalg.inv(torch.eye(3, device=x.device))),
    "backward": ("read", lambda x: LooksBack.apply(x).sum().backward(retain_graph=True)),
    "blocking copy": ("copy", lambda x: torch.zeros(2).to(x.device)),
    "like another": ("copy", lambda x: torch.zeros(2).to(x)),
    "copy in place": ("copy", lambda x: torch.zeros_like(x).copy_(torch.zeros(4, 3))),
    "copy that is not pinned": ("copy", lambda x: LARGE.to(x.device, non_blocking=True)),
    "constant": ("copy", lambda x: torch.tensor([1.0, 2.0], device=x.device)),
    "new tensor": ("copy", lambda x: x.new_tensor([1.0, 2.0])),
    "list as index": ("copy", lambda x: x[:, [0, 2]]),
}


def toy_step(fault: Callable[[Tensor], Any] = id) -> list[str]:
    """What is said of a step with this fault in it."""
    layer = torch.nn.Linear(3, 3)
    torch.nn.init.eye_(layer.weight)
    with pretend_cuda() as watch:
        layer.to(CUDA)
        x = pinned(torch.arange(12.0).view(4, 3)).to(CUDA, non_blocking=True)
        watch.clear()
        y = layer(x)
        fault(y)
        y.square().mean().backward()
        return watch.of("mix", "read", "copy")


@pytest.mark.parametrize("name", PLANTED)
def test_planted_faults_are_caught(name: str) -> None:
    kind, fault = PLANTED[name]
    found = toy_step(fault)
    assert found, "nothing was caught"
    assert all(line.startswith(kind) for line in found), found
    assert "test_device.py" in found[0]


def test_what_a_device_does_well_is_no_fault() -> None:
    def good(x: Tensor) -> None:
        pinned(torch.zeros(STAGED)).to(x.device, non_blocking=True)
        draws = torch.rand(4).to(x.device, torch.float32, non_blocking=True)
        generator = torch.Generator(device=x.device).manual_seed(3)
        noise = torch.randn(3, generator=generator, device=x.device)
        y = torch.where(x > 0, x * draws[:, None], 0) + noise + torch.tensor(2.0)
        y.masked_fill(y > 1, 0).index_select(0, torch.arange(2, device=x.device)).sum().backward(retain_graph=True)

    assert toy_step() == []
    assert toy_step(good) == []
