"""Checkpoints that are written beside the training."""

import copy
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from vergence.runs.checkpoint import write_checkpoint
from vergence.runs.folder import Checkpoint


class CheckpointWriter:
    """Writes one checkpoint at a time, in a thread of its own, from copies in the host's memory."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._written: Future[Checkpoint] | None = None

    def write(
        self, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], values: Mapping[str, Any], **arguments: Any
    ) -> None:
        """Copy what changes while training goes on, and write it (:func:`write_checkpoint`) meanwhile.

        Raises:
            InputError: the checkpoint before this one could not be written.
        """
        self.join()
        copies = [{name: _copied(tensor) for name, tensor in one.items()} for one in (weights, tensors)]
        self._written = self._pool.submit(
            write_checkpoint, weights=copies[0], tensors=copies[1], values=copy.deepcopy(dict(values)), **arguments
        )

    def join(self) -> None:
        """Wait until what was given is written; InputError where it could not be."""
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def close(self) -> None:
        """Wait, and end the thread; what went wrong is raised by :meth:`join` alone."""
        self._pool.shutdown()


def _copied(tensor: Tensor) -> Tensor:
    """A contiguous copy on the CPU."""
    return torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format).copy_(tensor.detach())
