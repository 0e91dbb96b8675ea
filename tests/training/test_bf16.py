"""A step in bf16 says what it says in float32, for every method: only networks compute in fewer bits."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.device_loops import STEPS, loop_on_cpu, write_towns
from vergence.mixing.draws import step_generator

FULL = ("/vergence/losses/", "/vergence/geometry/", "/vergence/mixing/")
"""Rooms whose sums are poor in fewer bits."""
BROUGHT_BACK = {"_to_copy", "detach"}
"""What a tensor of fewer bits may pass there."""
CLOSE = 0.02
"""Relative difference to float32 that is allowed, of each loss."""
STEP = 1
SURE = 0.05
"""Confidence from which pseudo-labels count: untrained networks are not sure of anything."""
TRUSTING: dict[str, dict[str, Any]] = {
    "three_ways": {"three_ways.consistency.confidence": SURE},
    "unimatch": {"unimatch.consistency.confidence": SURE},
}


class LowPrecision(TorchDispatchMode):
    """Counts operations on bf16 tensors, and keeps the places of those that are to be in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = 0
        self.wrong: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(isinstance(value, Tensor) and value.dtype == torch.bfloat16 for value in args):
            name = func.overloadpacket.__name__
            self.convolutions += name == "convolution"
            frame = sys._getframe(1)
            while frame.f_back is not None and "/vergence/" not in frame.f_code.co_filename:
                frame = frame.f_back
            place = frame.f_code.co_filename
            if name not in BROUGHT_BACK and any(room in place for room in FULL):
                self.wrong.add(f"{name} at {place.rpartition('/vergence/')[2]}:{frame.f_lineno}")
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_towns(tmp_path_factory.mktemp("towns"))


@pytest.mark.parametrize("name", STEPS)
def test_losses_and_geometry_are_in_float32_and_near_those_of_float32(
    name: str, tmp_path: Path, towns: dict[str, Path]
) -> None:
    with loop_on_cpu(name, tmp_path, towns, **TRUSTING.get(name, {})) as loop:
        method, batches = loop.state.method, loop._next_batches()
        found = []
        for low in (False, True):
            torch.manual_seed(0)
            method.generator = step_generator(0, STEP)
            with LowPrecision() as seen, torch.autocast("cpu", torch.bfloat16, enabled=low):
                losses = method(batches, STEP)
            assert (seen.convolutions > 5) == low
            assert seen.wrong == set()
            assert {value.dtype for value in losses.values()} == {torch.float32}
            losses = {key: value for key, value in losses.items() if not key.startswith("_")}
            torch.stack(list(losses.values())).sum().backward()
            gradients = [value.grad for value in loop.state.parameters if value.grad is not None]
            assert all(value.dtype == torch.float32 and value.isfinite().all() for value in gradients)
            found.append({key: value.item() for key, value in losses.items()})
    full, half = found
    assert half == pytest.approx(full, rel=CLOSE)
    assert half != full
