"""The mean teacher: a running mean of the student that makes its pseudo-labels (Three Ways, section 4.1)."""

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MeanTeacher(nn.Module):
    """A copy of the student that follows it slowly and learns nothing itself.

    Not timm's or torch's averaged models: their decay begins otherwise, and they know neither a teacher that works on
    statistics of its batches, as published, nor one that starts again.

    Args:
        network: the student; copied.
        decay: largest weight of the teacher's past.
        average_buffers: also follow batch norm statistics (others are copied). The published program does not: its
            teacher keeps statistics of its own, and uses those of the batch.
        train_mode: in training, work in training mode (batch statistics, dropout), as published; else always in
            evaluation mode.
    """

    def __init__(
        self, network: nn.Module, decay: float = 0.99, average_buffers: bool = False, train_mode: bool = True
    ) -> None:
        super().__init__()
        if not 0 <= decay <= 1:
            raise ValueError(f"decay is {decay}, expected 0 to 1")
        self.decay, self.average_buffers, self.train_mode = decay, average_buffers, train_mode
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode reaches the network only with ``train_mode``."""
        super().train(mode)
        self.network.train(mode and self.train_mode)
        return self

    @torch.no_grad()
    def restart(self, network: nn.Module) -> None:
        """Start again as a copy of the student, parameters and buffers."""
        self.network.load_state_dict(network.state_dict())

    @torch.no_grad()
    def update(self, network: nn.Module, step: int | None) -> None:
        """Follow the student after update number ``step`` (from 0): teacher = alpha teacher + (1 - alpha) student.

        alpha = min(1 - 1 / (step + 2), decay): a plain mean at first, so that the start is forgotten. None: ``decay``
        from the first update on, for a teacher that starts trained.
        """
        alpha = self.decay if step is None else teacher_alpha(step, self.decay)
        means: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(network.parameters())
        if self.average_buffers:
            pairs = list(zip(self.network.buffers(), network.buffers(), strict=True))
            means += [mean for mean, _ in pairs if mean.is_floating_point()]
            theirs += [value for mean, value in pairs if mean.is_floating_point()]
            for mean, value in pairs:
                if not mean.is_floating_point():
                    mean.copy_(value)
        if len(means) != len(theirs):
            raise ValueError(
                f"the student has {len(theirs)} tensors, its teacher {len(means)}; expected the same network"
            )
        if means:
            get_ema_multi_avg_fn(alpha)(means, theirs, 0)


def following(network: nn.Module, decay: float, buffers: bool) -> MeanTeacher:
    """The teacher of a student; with ``buffers`` it averages batch norm statistics and works in evaluation mode."""
    return MeanTeacher(network, decay, buffers, train_mode=not buffers)


def stored_as(teacher: MeanTeacher, predicts: bool) -> tuple[MeanTeacher | None, MeanTeacher | None]:
    """What a method keeps as ``teacher`` and as ``reference``: a teacher that predicts belongs to the model; another is
    of use in training only, and goes with what resuming needs."""
    return (teacher, None) if predicts else (None, teacher)


def teacher_alpha(step: int, decay: float = 0.99) -> float:
    """Weight of the teacher's past after update number ``step`` (from 0): 0.5, 0.667, ... up to ``decay``."""
    return min(1 - 1 / (step + 2), decay)
