"""The machine a run is on: device, processes, signals, seeds, sources."""

import logging
import os
import random
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image

from vergence.data.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.frame_options import FrameOptions
from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.engine.config import FramesConfig, RunConfig
from vergence.errors import InputError

log = logging.getLogger("vergence")


def build_accelerator(config: RunConfig) -> Accelerator:
    """The accelerator of a run; InputError where the device asked for is not there."""
    device = config.train.device
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device in available and not available[device]:
        raise InputError(f"train.device is {device}, but PyTorch sees no such device here; use --train.device cpu or auto.")
    if device not in ("auto", "cpu", *available):
        raise InputError(f"train.device {device!r} is unknown; use auto, cpu, cuda or mps.")
    if config.train.precision == "fp16" and (device == "cpu" or not any(available.values())):
        raise InputError("train.precision fp16 needs a GPU; use --train.precision bf16 or no on a CPU.")
    return Accelerator(mixed_precision=config.train.precision, cpu=device == "cpu")


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Set all random states from seed, step and process: a resumed run needs no stored ones to repeat them."""
    mixed = (seed * 1_000_003 + step) * 1009 + rank
    torch.manual_seed(mixed % 2**63)
    np.random.seed(mixed % 2**32)
    random.seed(mixed)


def worker_count(asked: int | None) -> int:
    """Loading processes: as asked, else the cores to spare beside the training process, at most 8."""
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores - 1))


def resolve_size(options: FrameOptions, manifest: Manifest) -> None:
    """Turn height 0 into the one that keeps the first frame's aspect, in multiples of 32."""
    if options.height > 0 or len(manifest) == 0:
        return
    width, height = manifest[0].width, manifest[0].height
    if not (width and height):
        with Image.open(manifest.path(0)) as image:
            width, height = image.size
    options.height = max(32, round(options.width * height / width / 32) * 32)
    log.info("frames are %dx%d: trained at %dx%d", width, height, options.width, options.height)


def training_frames(frames: FramesConfig) -> Manifest:
    """The rows to train on; InputError where no source is named."""
    if not frames.source:
        raise InputError("no training data are named; give a manifest, a folder of frames or a video with --data.")
    manifest = resolve_input(Path(frames.source))
    if any(row.split == frames.train_split for row in manifest):
        manifest = manifest.select(split=frames.train_split)
    resolve_size(frames.options, manifest)
    return manifest


def training_dataset(config: RunConfig, manifest: Manifest) -> FrameDataset:
    """Samples of the rows, cached on disk where the configuration says so."""
    options = config.frames.options
    cache = FrameCache(default_cache_folder(), options.height, options.width) if config.frames.cache else None
    return FrameDataset(manifest, options, train=True, seed=config.train.seed, cache=cache)


class Stopper:
    """SIGINT and SIGTERM ask for a stop at the end of the step; the second one stops at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stopper":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._asked)
            except ValueError:  # not the main thread: the caller handles signals
                break
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
