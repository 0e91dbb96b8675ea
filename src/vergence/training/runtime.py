"""Devices, processes, randomness and signals: what the loop needs to know of the machine."""

import contextlib
import importlib
import itertools
import logging
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, gather_object

from vergence.errors import InputError
from vergence.runs.config_sections import TrainConfig
from vergence.runs.devices import resolve_device, resolve_precision
from vergence.runs.processes import is_collective

_log = logging.getLogger("vergence")
_groups = itertools.count()
"""Process groups that this process has joined before."""


def start_accelerator(settings: TrainConfig) -> Accelerator:
    """Accelerate on the device and processes of this run; InputError where the machine lacks what is asked for."""
    device = resolve_device(settings.device)
    if settings.precision == "fp16" and device == "cpu":
        raise InputError("train.precision fp16 needs a GPU; use bf16 or no on a CPU.")
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
        os.environ.setdefault("ACCELERATE_TORCH_DEVICE", device)
    if settings.sync_batchnorm and device == "cpu":
        raise InputError(
            "train.sync_batchnorm needs GPUs: PyTorch has no synchronised batch norm for CPUs; leave it false there."
        )
    ddp = DistributedDataParallelKwargs(find_unused_parameters=settings.find_unused_parameters)
    group = InitProcessGroupKwargs(timeout=timedelta(seconds=settings.timeout))
    if "LOCAL_RANK" in os.environ:
        # default arguments in there would hold the process group for ever, if it were made before they are
        importlib.import_module("torch.distributed.nn.functional")
    try:
        if "LOCAL_RANK" in os.environ and (number := next(_groups)):
            _join_again(number, device, group.timeout)
        return Accelerator(
            cpu=device == "cpu",
            mixed_precision=resolve_precision(settings.precision, device),
            gradient_accumulation_steps=settings.accumulate,
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[ddp, group],
        )
    except Exception as error:
        _forget_process()  # half made, it would be taken for whole by the next run
        if not (isinstance(error, RuntimeError) and is_collective(error)):
            raise
        raise InputError(
            f"the processes of this run do not find one another ({' '.join(str(error).split())[:160]}); start all of "
            "them by torchrun, with one address and a free port."
        ) from error


def _join_again(number: int, device: str, timeout: timedelta) -> None:
    """Join the process group of a later run of this process under torchrun.

    torchrun's store outlives a run, with the addresses at which processes waited for one another: whoever comes first
    would take those of the last run for those of this one and wait for ever. So each later run has keys of its own.
    """
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    keys = torch.distributed.PrefixStore(f"run {number}", store)
    torch.distributed.init_process_group(backend, store=keys, rank=rank, world_size=size, timeout=timeout)


@contextlib.contextmanager
def algorithms(settings: TrainConfig, on_gpu: bool) -> Iterator[None]:
    """While entered, PyTorch takes reproducible algorithms or, on a GPU, those that are fastest for the sizes at hand,
    which stay the same while a run trains."""
    cudnn = torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        cudnn.deterministic, cudnn.benchmark = True, False
    elif on_gpu:
        cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        cudnn.deterministic, cudnn.benchmark = before[1:]


def finish(accelerator: Accelerator) -> None:
    """End process groups and forget Accelerate's global state, so that another run may follow in this process.

    A process group ends its threads when nothing holds it any more. Threads that outlive the interpreter's end may
    abort the process there, so what holds the group is let go first: the wrapped model, also by frames of an error.
    """
    if torch.distributed.is_initialized():
        error = sys.exc_info()[1]
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
        accelerator.free_memory()
    accelerator.end_training()
    os.environ.pop("ACCELERATE_TORCH_DEVICE", None)
    _forget_process()


def _forget_process() -> None:
    """Accelerate keeps device, precision and processes in its classes for as long as the interpreter lives, and has no
    public way to another run with others; this is what its own tests call between theirs."""
    AcceleratorState._reset_state(True)


def count_workers(workers: int | str, on_gpu: bool, processes: int = 1) -> int:
    """Loading processes: as asked, or ("auto") one beside a CPU's own work, up to eight for each GPU."""
    if workers != "auto":
        return int(workers)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not on_gpu:
        return 1 if cores // processes > 1 else 0
    return max(1, min(8, cores // processes - 1))


def seed_everything(seed: int) -> None:
    """Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries draw from the global generator
    torch.manual_seed(seed)


def random_state(accelerator: Accelerator) -> list[dict[str, Any]]:
    """State of all random generators of each process, as plain values; gathered, so every process must call it."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, words, following = random.getstate()
    state: dict[str, Any] = {
        "python": [version, list(words), following],
        "numpy": [str(kind), np.asarray(keys).tolist(), int(position), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state().numpy().tobytes().hex(),
    }
    if accelerator.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(accelerator.device).numpy().tobytes().hex()
    return list(gather_object([state]))


def restore_random_state(states: list[dict[str, Any]], accelerator: Accelerator) -> None:
    """Set this process's generators; a run resumed on more processes keeps the fresh state of the new ones."""
    if accelerator.process_index >= len(states):
        _log.warning("this run was stopped on %d processes: randomness of the others starts anew", len(states))
        return
    try:
        state = states[accelerator.process_index]
        version, words, following = state["python"]
        random.setstate((version, tuple(words), following))
        kind, keys, *rest = state["numpy"]
        np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
        torch.set_rng_state(_bytes(state["torch"]))
    except (TypeError, ValueError, LookupError, OverflowError, RuntimeError) as error:
        raise InputError(
            f"the random generators of the checkpoint cannot be restored ({error!r}); resume from another checkpoint."
        ) from error
    if accelerator.device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(_bytes(state["cuda"]), accelerator.device)


def _bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8).clone()


class StopSignal:
    """While entered, the first SIGINT or SIGTERM only sets ``number``; the second has its usual effect."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        _log.warning("%s: finishing this step and writing a checkpoint; once more aborts", signal.Signals(number).name)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._restore()

    def agreed(self, accelerator: Accelerator, ask: bool) -> int | None:
        """The signal that came, if any. Of several processes, all must call this together and learn it on ``ask``."""
        if accelerator.num_processes == 1:
            return self.number
        if not ask:
            return None
        return next((number for number in gather_object([self.number]) if number is not None), None)
