"""What ``train.compile`` compiles is whole graphs, few of them, and changes no loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo import reset
from torch._dynamo.utils import counters

from tests.device_loops import STEPS, loop_on_cpu, write_towns
from vergence.mixing.draws import step_generator

GRAPHS = 3
"""Encoder, decoder, pose network; or an encoder in training and the same one as teacher."""


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_towns(tmp_path_factory.mktemp("towns"))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    counters.clear()
    yield
    reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the compiler looks at it
@pytest.mark.parametrize("name", STEPS)
def test_few_graphs_without_a_break_and_the_same_losses(name: str, tmp_path: Path, towns: dict[str, Path]) -> None:
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(sum(node.op.startswith("call") for node in graph.graph.nodes))
        return graph.forward

    forgetful = {"frozen.memory_mb": 0} if name == "frozen" else {}  # else nothing is left to compute
    with loop_on_cpu(name, tmp_path, towns, **forgetful) as loop:
        method, batches = loop.state.method, loop._next_batches()
        weights = {key: value.clone() for key, value in method.state_dict().items()}
        found = []
        for compiled in (False, True):
            method.load_state_dict(weights)
            if compiled:
                method.compile(backend=backend)
            for step in range(2):
                torch.manual_seed(0)
                method.generator = step_generator(0, step)
                losses = method(batches, step)
                torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum().backward()
            found.append({key: value.item() for key, value in losses.items()})
    assert 1 <= len(graphs) <= GRAPHS, graphs
    assert min(graphs) > 20  # operations of networks
    assert not counters["graph_break"], counters["graph_break"]
    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-7, nan_ok=True)
