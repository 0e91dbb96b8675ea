"""From a run's settings to its data: manifests of splits, one loader a role, the frames to evaluate on."""

import logging
from pathlib import Path
from typing import Any

from vergence.data.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.layouts import resolve_input
from vergence.data.loading import FrameLoader, build_loader
from vergence.data.manifest import Manifest
from vergence.engine.checkpoint import read_settings
from vergence.engine.config import RunConfig
from vergence.engine.runtime import count_workers
from vergence.errors import InputError
from vergence.methods import METHODS

_log = logging.getLogger("vergence")


def manifests(config: RunConfig) -> tuple[Manifest, Manifest | None]:
    """Frames to train on, and those with measured depth to evaluate on meanwhile: None (said in the log) without any.

    The split of the settings is taken; all frames where the data have no splits.

    Raises:
        InputError: no source given, nothing there, no such split.
    """
    frames = config.frames
    if not frames.source:
        raise InputError("there are no frames to train on; name a manifest, a folder or a video with --data.")
    source = resolve_input(Path(frames.source))
    training = _split(source, frames.train_split)
    if config.train.evaluate_every == 0:
        return training, None
    evaluation = _split(source if frames.val is None else resolve_input(Path(frames.val)), config.evaluate.split)
    if not any(row.depth or row.disparity for row in evaluation):
        _log.warning("%s has no measured depth: no evaluation during training", evaluation.name)
        return training, None
    return training, evaluation


def _split(manifest: Manifest, split: str | None) -> Manifest:
    if set(manifest.splits()) == {""}:
        return manifest
    chosen = manifest.select(split=split)
    if len(chosen) == 0:
        raise InputError(f"{chosen.name} has no frames; choose another split or make the manifest again.")
    return chosen


def build_loaders(
    config: RunConfig, manifest: Manifest, checkpoint: Path | None, accelerator: Any
) -> dict[str, FrameLoader]:
    """One endless loader a role of the method, each with its own order; this process's equal share of every batch."""
    frames, seed, world = config.frames, config.train.seed, accelerator.num_processes
    if frames.batch_size % world:
        raise InputError(
            f"frames.batch_size {frames.batch_size} cannot be shared equally by {world} processes; "
            f"give a multiple of {world}."
        )
    start = 0 if checkpoint is None else read_settings(checkpoint)[1] * config.train.accumulate
    cache = FrameCache(default_cache_folder(), frames.options.height, frames.options.width) if frames.cache else None
    dataset = FrameDataset(manifest, frames.options, train=True, seed=seed, cache=cache)
    workers = count_workers(frames.workers, accelerator.device.type == "cuda", world)
    share, rank = frames.batch_size // world, accelerator.process_index
    return {
        role: build_loader(dataset, share, workers, seed + number, rank, world, start)
        for number, role in enumerate(METHODS[config.method][1].roles)
    }
