"""Learning rates, optimisers, parameter groups, mean weights."""

import math

import pytest
import torch
from torch import nn

from tests.training.small_models import STEPS, groups, network
from vergence.errors import InputError
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import WeightAverage, build_optimizer, lr_factor, set_learning_rates
from vergence.training.optim_state import optimizer_state, restore_optimizer


@pytest.mark.parametrize("step", [0, 1, 30, 60, 99])
def test_schedules_match_their_formulas(step: int) -> None:
    assert lr_factor(OptimConfig(), STEPS, step) == 1
    assert lr_factor(OptimConfig(schedule="poly"), STEPS, step) == pytest.approx((1 - step / STEPS) ** 0.9)
    expected = 0.5 * (1 + math.cos(math.pi * step / STEPS))
    assert lr_factor(OptimConfig(schedule="cosine"), STEPS, step) == pytest.approx(expected)


def test_poly_never_reaches_zero() -> None:
    """Three Ways golden fact 12: 1, 0.535887, 1e-6 at the start, half way and at the end; and no less after it."""
    factors = [lr_factor(OptimConfig(schedule="poly"), STEPS, step) for step in (0, 50, 100, 101)]
    assert factors == pytest.approx([1, 0.535887, 1e-6, 1e-6], rel=1e-6)


def test_steps_drop_exactly_where_they_should() -> None:
    step = OptimConfig(schedule="step", step_size=30, gamma=0.5)
    assert [lr_factor(step, STEPS, at) for at in (0, 29, 30, 59, 60, 90)] == [1, 1, 0.5, 0.5, 0.25, 0.125]
    multi = OptimConfig(schedule="multi_step", milestones=(10, 20))
    assert [lr_factor(multi, STEPS, at) for at in (9, 10, 19, 20)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_schedules_match_torch() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    reference = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 7], gamma=0.2)
    config = OptimConfig(lr=0.5, schedule="multi_step", milestones=(3, 7), gamma=0.2)
    for step in range(10):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * lr_factor(config, 10, step))
        optimizer.step()
        reference.step()


def test_warmup_rises_to_the_schedule() -> None:
    config = OptimConfig(warmup=4)
    assert [lr_factor(config, STEPS, step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_groups_have_their_own_rates_and_zero_means_the_base() -> None:
    config = OptimConfig(lr=0.1, group_lr={"a": 0.01, "b": 0.0}, schedule="step", step_size=5)
    optimizer = build_optimizer(config, groups(network()))
    set_learning_rates(optimizer, config, STEPS, 5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.001, 0.01])


def test_unknown_group() -> None:
    with pytest.raises(InputError, match=r"decoder.*groups are a, b"):
        build_optimizer(OptimConfig(group_lr={"decoder": 1.0}), groups(network()))


def test_unknown_optimisers_and_those_that_need_a_gpu() -> None:
    with pytest.raises(
        InputError, match=r"'adamm' is unknown \(did you mean 'adam\w*'\?\); use adam, adamw, sgd, or another"
    ):
        build_optimizer(OptimConfig(name="adamm"), groups(network()))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="fusedadam cannot be used here"):
            build_optimizer(OptimConfig(name="fusedadam"), groups(network()))


def test_sgd_is_plain_and_nesterov_is_not() -> None:
    nesterov = [
        build_optimizer(OptimConfig(name=name), groups(network())).param_groups[0]["nesterov"]
        for name in ("sgd", "nesterov")
    ]
    assert nesterov == [False, True]


def test_mean_weights_match_a_plain_loop_and_swap_back() -> None:
    model = network()
    average = WeightAverage(model, 0.9)
    expected = model[0].weight.detach().double()
    for step in range(30):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * (step % 3))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model[0].weight.detach().double()
    trained = model[0].weight.detach().clone()
    average.swap()
    torch.testing.assert_close(model[0].weight.detach().double(), expected, rtol=1e-5, atol=1e-5)
    average.swap()
    assert torch.equal(model[0].weight, trained)


@pytest.mark.parametrize("stops", [False, True])
def test_entries_of_a_parameter_are_stepped_one_after_the_other(stops: bool) -> None:
    """corda.md 1.4: the same gradient, decay of what the entry before left, own buffers at first, then a shared one."""
    counts, lr, momentum, decay = (3, 1, 4), 0.1, 0.9, 0.05
    start = [torch.randn(5, dtype=torch.float64) for _ in counts]
    values = [nn.Parameter(value.clone()) for value in start]
    module = nn.Module()
    for number, value in enumerate(values):
        module.register_parameter(f"p{number}", value)
    config = OptimConfig(name="sgd", lr=lr, momentum=momentum, weight_decay=decay)
    groups = [{"name": "encoder", "params": values, "repeats": list(counts)}]
    optimizer = build_optimizer(config, groups)
    twins: list[torch.Tensor] = [value.clone() for value in start]
    buffers: list[torch.Tensor | None] = [None] * 3
    for step in range(3):
        gradients = [torch.randn(5, dtype=torch.float64) for _ in counts]
        if stops and step == 2:
            stored = optimizer_state(optimizer, module)
            optimizer = build_optimizer(config, groups)
            restore_optimizer(optimizer, module, *stored)
        for value, gradient in zip(values, gradients, strict=True):
            value.grad = gradient.clone()
        optimizer.step()
        for place, count in enumerate(counts):
            shared = buffers[place]
            for _ in range(count):
                change = gradients[place] + decay * twins[place]
                buffers[place] = change if shared is None else momentum * buffers[place] + change
                twins[place] = twins[place] - lr * buffers[place]
    for value, twin in zip(values, twins, strict=True):
        torch.testing.assert_close(value.detach(), twin)
    assert all(one is other for one, other in zip(optimizer.param_groups[0]["params"], values, strict=True))
    with pytest.raises(InputError, match="use sgd"):
        build_optimizer(OptimConfig(name="adam"), groups)


def test_warmup_takes_no_more_than_a_tenth_of_the_steps() -> None:
    config = OptimConfig(warmup=100)
    assert [lr_factor(config, 150, step) for step in (0, 7, 14, 15, 149)] == pytest.approx([1 / 15, 8 / 15, 1, 1, 1])
    assert lr_factor(config, 5, 0) == 1
    assert lr_factor(config, 10000, 49) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_one_pass_over_all_weights_gives_the_same_numbers_within_rounding(name: str) -> None:
    models = {}
    for fused in ("auto", "always"):
        config = OptimConfig(name=name, lr=0.01, weight_decay=0.01, fused=fused)  # type: ignore[arg-type]
        model = models[fused] = network()
        optimizer = build_optimizer(config, groups(model))
        assert bool(optimizer.param_groups[0]["fused"]) == (fused == "always")  # auto: a CPU's numbers stay
        for step in range(6):
            if step == 3:  # stored and gone on with
                tensors, values = optimizer_state(optimizer, model)
                optimizer = build_optimizer(config, groups(model))
                restore_optimizer(optimizer, model, tensors, values)
            model(torch.linspace(0, 1, 192).view(1, 3, 8, 8)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    fresh = network()
    for (key, plain), fused in zip(models["auto"].named_parameters(), models["always"].parameters(), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-7)
        assert not torch.equal(plain, fresh.get_parameter(key))


def test_fused_where_there_is_none() -> None:
    with pytest.raises(InputError, match=r"optim\.fused is always, and lion has no fused form; use auto"):
        build_optimizer(OptimConfig(name="lion", fused="always"), groups(network()))
