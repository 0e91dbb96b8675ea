"""Several processes of one run: who does what, what all of them found, and what is said when one is lost."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vergence.errors import InputError

T = TypeVar("T")
_COLLECTIVE = re.compile(r"gloo|nccl|connection (closed|reset)|timed? ?out|tcpstore|process group", re.IGNORECASE)


class ProcessLost(InputError):
    """Another process of the run is gone, or does not answer."""


@dataclass(frozen=True)
class Processes:
    """This process among those of a run; the default is one that is alone."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of(cls, accelerator: Any) -> "Processes":
        """Those of Hugging Face Accelerate."""
        return cls(accelerator.process_index, accelerator.num_processes)

    def share(self, items: Sequence[T], batch: int = 1) -> list[T]:
        """The piece of ``items`` that is this process's: all pieces, one after the other, are ``items``.

        Pieces are cut between batches, so that networks see the same batches as in one process, unless there are too
        few items for that.
        """
        size = max(1, min(batch, -(-len(items) // self.world)))
        batches = -(-len(items) // size)
        first, end = (batches * rank // self.world * size for rank in (self.rank, self.rank + 1))
        return list(items[first:end])

    def gather(self, value: T) -> list[T]:
        """The value of each process by rank; all must call it."""
        if self.world == 1:
            return [value]
        gathered: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(gathered, value)
        return gathered

    def together(self, work: Callable[[], T]) -> list[T]:
        """What ``work`` gives in each process, by rank; an InputError of one of them is raised in all."""
        if self.world == 1:
            return [work()]
        results: list[T] = []
        refused = ""
        try:
            results.append(work())
        except InputError as error:
            refused = str(error)
        gathered = self.gather((results, refused))
        if messages := [text for _, text in gathered if text]:
            raise InputError(messages[0])
        return [result for results, _ in gathered for result in results]

    @torch.no_grad()
    def share_buffers(self, module: nn.Module) -> None:
        """Give every process the first one's buffers (statistics of batch norm), which are those that are stored."""
        if self.world > 1:
            for buffer in module.buffers():
                torch.distributed.broadcast(buffer, 0)


ALONE = Processes()


@contextlib.contextmanager
def lost_process_said(processes: Processes, run: Path | str) -> Iterator[None]:
    """While entered, a collective operation that fails is ProcessLost: one sentence instead of a backend's."""
    try:
        yield
    except RuntimeError as error:
        if processes.world == 1 or not is_collective(error):
            raise
        reason = " ".join(str(error).split())
        raise ProcessLost(
            f"another process of {run} was lost or does not answer within train.timeout (process {processes.rank} of "
            f"{processes.world} says: {reason[:160]}); see its own message, then vergence train --resume {run} goes on."
        ) from error


def is_collective(error: BaseException) -> bool:
    """Whether an error comes from an operation that all processes take part in."""
    known = getattr(torch.distributed, "DistError", ())
    return isinstance(error, known) or bool(_COLLECTIVE.search(str(error)))
