"""As many frames at once as fit: ``frames.batch_size: auto``, from what one step keeps in memory and what is free."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.runs.checkpoint import build_method, read_settings
from vergence.runs.config import RunConfig
from vergence.runs.folder import Checkpoint
from vergence.runs.processes import Processes
from vergence.training.pools import role_options
from vergence.training.runtime import seed_everything

_log = logging.getLogger("vergence")
MOST = {"cpu": 16, "cuda": 128}
"""Frames of one process at once: more make a CPU no faster, and steps of a run fewer than its recipe means."""
_SHARE = {"cpu": 0.5, "cuda": 0.8}
"""Part of the free memory that is taken."""
_TRIED = 2
_WORK = 1.5
"""Memory of a step beside what is kept for the backward pass, on a CPU, where it cannot be measured."""


def settle_batch_size(
    config: RunConfig, roles: Mapping[str, Manifest], accelerator: Any, checkpoint: Checkpoint | None
) -> None:
    """Put a number in the place of ``frames.batch_size: auto``: that of the checkpoint, else the largest that fits.

    It is a power of two for each process, so that a little more or less free memory gives the same.
    """
    if config.frames.batch_size != "auto":
        return
    if checkpoint is not None:
        config.frames.batch_size = read_settings(checkpoint)[0].frames.batch_size
        return
    device, processes = accelerator.device, Processes.of(accelerator)
    weights, frame, samples = _needed(config, roles, device)
    free = free_memory(device)
    most = min(MOST[device.type], max(1, samples // processes.world))
    on_machine = processes.world if device.type == "cpu" else 1
    fitting = (free * _SHARE[device.type] / on_machine - weights) / max(frame, 1)
    own = 1
    while own * 2 <= min(most, fitting):
        own *= 2
    size = min(processes.gather(own)) * processes.world
    config.frames.batch_size = size
    if accelerator.is_main_process:
        estimate = f"a frame takes about {frame / 2**20:.0f} MiB, {free / 2**30:.1f} GiB are free"
        _log.info("frames.batch_size auto: %d (%s)", size, estimate)
        if fitting < 1:
            _log.warning("one frame at once may not fit into memory (%s); make frames smaller", estimate)


def free_memory(device: torch.device) -> float:
    """Bytes that are free on a GPU, or that processes of this machine (or container) may still take."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    free = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    if match := re.search(r"MemAvailable:\s+(\d+) kB", _text("/proc/meminfo")):
        free = float(match[1]) * 1024
    limit, used = _text("/sys/fs/cgroup/memory.max"), _text("/sys/fs/cgroup/memory.current")
    return min(free, float(limit) - float(used)) if limit.isdecimal() and used.isdecimal() else free


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _needed(config: RunConfig, roles: Mapping[str, Manifest], device: torch.device) -> tuple[float, float, int]:
    """Bytes of weights with what the optimiser keeps of them, bytes of one more frame, and how many frames there are.

    One forward and backward pass of a method of its own is looked at, so nothing of the run is touched.
    """
    seed_everything(config.train.seed)
    method = build_method(config, "resuming").train().to(device)
    weights = 4.0 * sum(one.numel() * one.element_size() for one in method.parameters())  # gradients, two moments
    batches, samples = {}, []
    for name, manifest in roles.items():
        role = config.section.roles[name]
        dataset = FrameDataset(manifest, role_options(config, role, manifest), train=True, seed=config.train.seed)
        rows = [row % len(dataset) for row in range(_TRIED * role.samples)]
        batches[name] = prepare_batch(collate([dataset[row] for row in rows]), device)
        samples.append(len(dataset))
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    before = _peak(device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = method(batches, 0)
        loss = torch.stack([value for key, value in losses.items() if not key.startswith("_")]).sum()
        held = sum(kept.values()) * _WORK
        loss.backward()
    if device.type == "cuda":
        held = float(torch.cuda.max_memory_allocated(device) - before)
        del losses, loss, batches, method
        torch.cuda.empty_cache()
    return weights, held / _TRIED, min(samples)


def _peak(device: torch.device) -> int:
    """Bytes that are taken now, from where the largest number is counted."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)
