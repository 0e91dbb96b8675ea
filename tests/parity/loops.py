"""Whole training loops: our methods, optimiser and teacher for some steps in double precision, and what is measured.

The loop is that of the engine: rates of the step, losses summed, backward, clipping, optimiser, ``after_step``.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.formula import formula_state
from vergence.data.batch import Batch
from vergence.methods.base import Method
from vergence.runs.config_sections import OptimConfig
from vergence.training.optim import build_optimizer, set_learning_rates

Place = Callable[[str], Tensor]
"""Our tensor of an official name."""


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Tensors are made in double precision, constants of networks among them."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def doubled(state: Mapping[str, Tensor], scaled: Mapping[str, float]) -> dict[str, Tensor]:
    """A state dict in double precision, named tensors multiplied after that."""
    plain = {name: value.double() if value.is_floating_point() else value for name, value in state.items()}
    return {name: value * scaled[name] if name in scaled else value for name, value in plain.items()}


def formula_weights(keys: Sequence, params: Mapping[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """The state dict of a case; ``prefix`` is part of the names in the formula only."""
    return doubled(formula_state(keys, params["salt"] + prefix, params.get("gain", 1.0)), params.get("scaled", {}))


def pictures(frames: np.ndarray) -> Tensor:
    """Grey levels as images in [0, 1], double precision."""
    return torch.from_numpy(frames).double() / 255


def check_size(params: Mapping[str, Any], frames: np.ndarray) -> None:
    """The sizes that a case names are those of its arrays (step, batch, ..., row, column)."""
    sizes = (params["steps"], params["batch"], params["height"], params["width"])
    assert sizes == (*frames.shape[:2], *frames.shape[-2:])


@dataclass
class Parts:
    """Tensors of one network by part: trained ones, and statistics of batch norm."""

    trained: dict[str, list[Tensor]]
    statistics: dict[str, list[Tensor]]
    before: dict[str, list[Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, keys: Mapping[str, Any], parts: Sequence[str], place: Mapping[str, Place]) -> "Parts":
        found = {
            kind: {part: [place[part](name) for name in keys[kind][part]] for part in parts}
            for kind in ("trained", "statistics")
        }
        return cls(**found)

    def remember(self) -> None:
        if not self.before:
            self.before = {part: [torch.empty_like(value) for value in values] for part, values in self.trained.items()}
        for part, values in self.trained.items():
            for kept, value in zip(self.before[part], values, strict=True):
                kept.copy_(value.detach())

    def gradient_norms(self) -> list[float]:
        return [norm([gradient(value) for value in values]) for values in self.trained.values()]

    def changes(self) -> dict[str, list[Tensor]]:
        """Of each part, what happened to its tensors since :meth:`remember`, in the place of what they were."""
        for part, values in self.trained.items():
            for kept, value in zip(self.before[part], values, strict=True):
                torch.sub(value.detach(), kept, out=kept)  # networks in double precision are large
        return self.before

    def measured(self, prefix: str = "") -> dict[str, Any]:
        """Norms and directions of the changes, and the statistics, by the names of the outputs."""
        changes = self.changes()
        norms = {part: norm(values) for part, values in changes.items()}
        found: dict[str, Any] = {f"{prefix}update_norms": list(norms.values())}
        for part, values in changes.items():
            typical = norms[part] / math.sqrt(sum(value.numel() for value in values))
            found[f"{prefix}update_{part}"] = every(values) / typical
            if self.statistics[part]:
                found[f"{prefix}bn_{part}"] = every(self.statistics[part])
        return found


def gradient(value: Tensor) -> Tensor:
    assert value.grad is not None, f"a trained tensor of shape {tuple(value.shape)} has no gradient"
    return value.grad


def norm(tensors: Sequence[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(value) for value in tensors])))


def every(tensors: Sequence[Tensor]) -> np.ndarray:
    """Every ceil(size / 128)-th value of joined tensors."""
    stride, first, found = -(-sum(value.numel() for value in tensors) // 128), 0, []
    for value in tensors:
        found.append(value.flatten()[first::stride])
        first = (first - value.numel()) % stride
    return torch.cat(found).numpy()


def named(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers themselves, by name."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


@dataclass
class Loop:
    """A method, its optimiser, and the batches of each step."""

    method: Method
    optim: OptimConfig
    steps: int
    batches: Sequence[dict[str, Batch]]
    student: Parts
    teacher: Parts | None = None
    first: int = 0
    """Number of the first step."""

    def run(self, values: Callable[[dict[str, Tensor], Tensor], dict[str, Any]]) -> dict[str, np.ndarray]:
        """All steps; ``values`` makes outputs of the losses and of their sum. Outputs have the step as first axis."""
        optimizer = build_optimizer(self.optim, self.method.parameter_groups())
        listed = [value for group in optimizer.param_groups for value in group["params"]]
        self.method.train()
        rows: list[dict[str, Any]] = []
        for step, batches in enumerate(self.batches, start=self.first):
            set_learning_rates(optimizer, self.optim, self.steps, step)
            optimizer.zero_grad()
            losses = self.method(batches, step)
            total = torch.stack([value for name, value in losses.items() if not name.startswith("_")]).sum()
            assert total.dtype == torch.float64
            total.backward()
            total, losses = total.detach(), {name: value.detach() for name, value in losses.items()}
            row = values(losses, total) | {"grad_norms": self.student.gradient_norms()}
            row["total_grad_norm"] = norm([value.grad for value in listed if value.grad is not None])
            if self.optim.clip is not None:
                nn.utils.clip_grad_norm_(listed, self.optim.clip)
            self.student.remember()
            optimizer.step()
            row |= self.student.measured()
            if self.teacher is not None:
                self.teacher.remember()
            self.method.after_step(step)
            if self.teacher is not None:
                row |= self.teacher.measured("teacher_")
            rows.append(row)
        return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
