"""What ``train.compile`` compiles is few graphs, and changes neither losses nor gradients."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo import reset
from torch._dynamo.utils import counters

from tests.device_loops import STEPS, loop_on_cpu, write_towns
from vergence.errors import InputError
from vergence.methods.base import Method
from vergence.mixing.draws import step_generator

GRAPHS = 3
"""Of networks: encoder, decoder, pose network. Of a step: before what is mixed eagerly, teacher, after it."""
WHOLE = {
    "depth": 1, "supervised": 1, "three_ways": 2, "three_ways, both tasks": 3, "corda": 2, "distill": 1, "unimatch": 3,
    "ssda": 3, "semhint": 2,
}  # fmt: skip
"""Methods whose step is traced with its losses, and into how many graphs."""


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_towns(tmp_path_factory.mktemp("towns"))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    counters.clear()
    yield
    reset()


class Backend:
    """Runs graphs as they were traced, and counts their operations."""

    def __init__(self) -> None:
        self.operations: list[int] = []

    def __call__(self, graph: torch.fx.GraphModule, _: Any) -> Any:
        self.operations.append(sum(node.op.startswith("call") for node in graph.graph.nodes))
        return graph.forward


def one_step(method: Method, batches: Any, step: int) -> tuple[dict[str, float], Tensor]:
    """Losses of a step and all gradients."""
    torch.manual_seed(0)
    method.generator = step_generator(0, step)
    method.zero_grad()
    losses = method(batches, step)
    torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum().backward()
    gradients = [value.grad.flatten() for value in method.parameters() if value.grad is not None]
    return {key: value.item() for key, value in losses.items()}, torch.cat(gradients)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the compiler looks at it
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # by the compiler
@pytest.mark.parametrize("name", STEPS)
def test_few_graphs_and_the_same_losses_and_gradients(name: str, tmp_path: Path, towns: dict[str, Path]) -> None:
    backend = Backend()
    forgetful = {"frozen.memory_mb": 0} if name == "frozen" else {}  # else nothing is left to compute
    with loop_on_cpu(name, tmp_path, towns, **forgetful) as loop:
        method, batches = loop.state.method, loop._next_batches()
        weights = {key: value.clone() for key, value in method.state_dict().items()}
        plain = one_step(method, batches, 3)
        method.load_state_dict(weights)
        (method.compile_step if name in WHOLE else method.compile)(backend=backend)
        losses, gradients = one_step(method, batches, 3)
    assert min(backend.operations) > 20  # networks, not scraps
    if name in WHOLE:
        assert len(backend.operations) == WHOLE[name] <= GRAPHS, counters["graph_break"]
    else:
        assert 1 <= len(backend.operations) <= GRAPHS, backend.operations
        assert not counters["graph_break"], counters["graph_break"]
    assert losses == pytest.approx(plain[0], rel=1e-5, abs=1e-7, nan_ok=True)
    assert (gradients - plain[1]).norm() <= 1e-5 * plain[1].norm()


def test_a_whole_step_is_not_compiled_for_a_cpu(tmp_path: Path, towns: dict[str, Path]) -> None:
    with (
        pytest.raises(InputError, match=r"train\.compile is step, and on a CPU the compiler makes wrong gradients"),
        loop_on_cpu("supervised", tmp_path, towns, **{"train.compile": "step"}),
    ):
        pytest.fail("it began")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
def test_later_steps_of_a_compiled_step_are_traced_no_more(tmp_path: Path, towns: dict[str, Path]) -> None:
    """Tie-breaking noise is of the step's own number, which becomes an input of the graph."""
    backend = Backend()
    with loop_on_cpu("depth", tmp_path, towns) as loop:
        method, batches = loop.state.method, loop._next_batches()
        plain = [one_step(method, batches, step)[0] for step in range(3, 7)]
        method.compile_step(backend=backend)
        found = [one_step(method, batches, step)[0] for step in range(3, 7)]
    assert len(backend.operations) == 2
    for ours, theirs in zip(found, plain, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)
