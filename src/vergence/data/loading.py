"""Batches from samples: an endless seeded order shared by any number of processes, workers, the device."""

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vergence.data.batch import ON_HOST, Batch
from vergence.data.buckets.addresses import secrets, take_secrets
from vergence.data.caching.cache import FrameCache, default_cache_folder
from vergence.data.children import end_with_parent
from vergence.data.dataset import FrameDataset
from vergence.data.imaging.batch_jitter import apply_jitters
from vergence.data.imaging.transforms import apply_jitter
from vergence.errors import InputError

__all__ = ["EndlessSampler", "FrameCache", "FrameLoader", "build_loader", "default_cache_folder", "prepare_batch"]

Key = tuple[int, int]
"""Epoch and sample number."""


class EndlessSampler(Sampler[list[Key]]):
    """An endless stream of batches of (epoch, sample), cut from one permutation of the samples after another.

    Sample k of global batch ``step`` is number ``step * global_batch + k`` of the stream, whatever the number of
    processes: rank r takes the r-th contiguous piece of each global batch of ``batch_size * world`` samples. Nothing
    is dropped, so n may be smaller than a batch.

    Args:
        n: number of samples.
        batch_size: of one process.
        seed: of the permutations.
        shuffle: False keeps the samples' order in every epoch.
        rank: number of this process.
        world: number of processes.
        start_step: the first batch to give: a resumed run goes on exactly where it stopped.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
        start_step: int = 0,
    ) -> None:
        if n < 1 or batch_size < 1 or not 0 <= rank < world or start_step < 0:
            raise ValueError(
                f"impossible sampler: n {n}, batch_size {batch_size}, rank {rank} of {world}, start_step {start_step}"
            )
        self.n, self.batch_size, self.seed, self.shuffle = n, batch_size, abs(seed), shuffle
        self.rank, self.world, self.start_step = rank, world, start_step

    def __iter__(self) -> Iterator[list[Key]]:
        first = (self.start_step * self.world + self.rank) * self.batch_size
        orders: dict[int, NDArray[np.int64]] = {}
        while True:
            draws = [divmod(draw, self.n) for draw in range(first, first + self.batch_size)]
            for epoch in {epoch for epoch, _ in draws} - orders.keys():
                orders[epoch] = self._order(epoch)
            yield [(epoch, int(orders[epoch][draw])) for epoch, draw in draws]
            first += self.batch_size * self.world
            orders = {epoch: order for epoch, order in orders.items() if epoch >= first // self.n}

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(self.n)
        return np.random.default_rng([self.seed, epoch]).permutation(self.n)


class _Batches(Dataset[Any]):
    """Whole batches by lists of keys; what is wrong with the input comes back as a value.

    A DataLoader would raise it with the worker's traceback pasted into the message, no sentence for a user.
    """

    def __init__(self, dataset: FrameDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, keys: Sequence[Key]) -> dict[str, Tensor] | InputError:
        try:
            return collate([self.dataset[key] for key in keys])
        except InputError as error:
            return InputError(str(error))


class FrameLoader(DataLoader[Any]):
    """A DataLoader of whole batches that raises a worker's InputError as it was meant to be read."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:  # type: ignore[override]
        with _own_child_signals():
            batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                if self.num_workers == 0 or not _worker_died(error):
                    raise
                raise InputError(
                    "a process that loads frames was killed (often for want of memory); give fewer with "
                    "--frames.workers, 0 for none."
                ) from error
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def check_worker_number_rationality(self) -> None:
        """More workers than cores are the caller's business (waiting for a network disk they help), not a warning."""

    def close(self) -> None:
        """End the worker processes now instead of when the loader is forgotten."""
        self._iterator = None


def collate(samples: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Stack samples, key by key."""
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}


def build_loader(
    dataset: FrameDataset,
    batch_size: int,
    workers: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    start_step: int = 0,
    shuffle: bool = True,
    sampler: EndlessSampler | None = None,
) -> FrameLoader:
    """An endless loader of this process's batches, for :func:`prepare_batch`; see :class:`EndlessSampler`.

    ``sampler`` takes the place of the usual one, which the arguments from ``seed`` on describe.

    Workers stay alive, use one thread each, and number changes nothing but the speed. ``workers`` 0 loads in this
    process.
    """
    return FrameLoader(
        _Batches(dataset),
        batch_size=None,  # the sampler's lists are whole batches
        sampler=sampler or EndlessSampler(len(dataset), batch_size, seed, shuffle, rank, world, start_step),
        num_workers=workers,
        collate_fn=_same,
        worker_init_fn=functools.partial(_start_worker, secrets()),
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def prepare_batch(batch: dict[str, Tensor], device: torch.device | str = "cpu") -> Batch:
    """Move a loaded batch to its device, make frames float in [0, 1] and draw the networks' colours there.

    The jitter parameters, ``index`` and ``flipped`` stay on the CPU, so nothing waits for the device. Without any
    jitter in the batch ``jittered`` is the same tensor as ``frames``.
    """
    draws = batch["jitter"]
    moved = {key: value.to(device, non_blocking=True) for key, value in batch.items() if key not in ON_HOST}
    moved |= {key: value for key, value in batch.items() if key in ON_HOST}
    del moved["jitter"]
    frames = moved["frames"].float().div_(255)
    jittered = frames
    drawn = [b for b in range(len(draws)) if draws[b, -1] >= 0]
    if drawn and frames.device.type != "cpu":
        jittered = apply_jitters(frames, draws)
    elif drawn:  # a sample at a time stays in the cache
        jittered = frames.clone()
        for b in drawn:
            jittered[b] = apply_jitter(frames[b], draws[b])
    moved |= {"frames": frames, "jittered": jittered}
    if "pseudo_label" in moved:  # bytes until here: a quarter and an eighth of what is moved otherwise
        moved["pseudo_label"] = moved["pseudo_label"].long()
        moved["confidence"] = moved["confidence"].float().div_(255)
    return cast(Batch, moved)


@contextlib.contextmanager
def _own_child_signals() -> Iterator[None]:
    """Keep PyTorch from raising at any place of a step when a worker dies; the next batch tells it soon enough."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    yield
    if signal.getsignal(signal.SIGCHLD) is not before:
        signal.signal(signal.SIGCHLD, before)


def _worker_died(error: Exception) -> bool:
    """Whether an error means that a worker is gone; what a worker itself raises begins with "Caught"."""
    if "Caught " in str(error):
        return False
    lost = (ConnectionError, EOFError, FileNotFoundError)  # while memory was being handed over
    return isinstance(error, lost) or "DataLoader worker" in str(error)


def _same(batch: Any) -> Any:
    return batch


def _start_worker(addresses: dict[str, str], worker: int) -> None:
    """One thread each, and out of the terminal's process group: Ctrl-C is the main process's to handle."""
    torch.set_num_threads(1)
    take_secrets(addresses)
    end_with_parent()  # PyTorch has a watch, too; it fails where a kill left a message half-written
    if hasattr(os, "setpgrp"):
        os.setpgrp()
