"""Scores of frames: computed for those that are asked for, kept on disk, resumable."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vergence.data.atomic import write_text
from vergence.data.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.images import open_frame
from vergence.data.manifest import Manifest
from vergence.data.structured import map_array
from vergence.errors import InputError
from vergence.inference.inputs import on_device, prefetched, to_network
from vergence.losses.segmentation import pixel_entropy
from vergence.runs.checkpoint import LoadedRun
from vergence.selection.difficulty import depth_difficulty

Progress = Callable[[int, int], None]
Scorer = Callable[[list[int]], Iterator[tuple[int, float]]]
_BATCH = 4


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While entered, training and loading tell nothing but errors: that frames have no intrinsics is no news here."""
    log = logging.getLogger("vergence")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def open_stage(folder: Path, key: dict[str, Any]) -> None:
    """Begin a folder, or go on with one that was begun with the same ``key``; what is there of another is removed."""
    path = folder / "stage.json"
    text = json.dumps(key, indent=2, sort_keys=True) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        shutil.rmtree(folder, ignore_errors=True)
        write_text(path, text)


def kept_scores(
    path: Path, total: int, rows: list[int], scorer: Scorer, progress: Progress | None = None
) -> NDArray[np.float64]:
    """Scores (N,) of ``rows``, NaN elsewhere; those in the file are not computed again."""
    if not path.exists():
        scores = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(total,))
        scores[:] = np.nan
    else:
        scores = map_array(path, "r+", (total,), "float64", "remove it, it is made again")
    missing = [row for row in rows if np.isnan(scores[row])]
    for done, (row, score) in enumerate(scorer(missing), start=1):
        scores[row] = score
        if progress is not None:
            progress(len(rows) - len(missing) + done, len(rows))
    scores.flush()
    return np.array(scores)


@torch.no_grad()
def difficulties(student: LoadedRun, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, float]]:
    """How far the student's depth of each whole frame is from the teacher's, the column ``estimate``."""
    frames = student.config.frames
    (role,) = student.config.section.roles.values()
    options = role.frame_options(frames.options)
    cache = FrameCache(default_cache_folder(), options.height, options.width) if frames.cache else None
    with quiet():
        dataset = FrameDataset(manifest, options, train=False, cache=cache)
    home = next(student.method.parameters()).device
    waiting: list[tuple[int, dict[str, torch.Tensor]]] = []

    def flush() -> Iterator[tuple[int, float]]:
        images = on_device([sample["frames"][0] for _, sample in waiting], home)
        teacher = torch.stack([sample["estimate"] for _, sample in waiting]).to(home)
        found = depth_difficulty(student.method.predict(images)["disparity"], teacher).tolist()
        yield from _finite([row for row, _ in waiting], found, manifest)
        waiting.clear()

    for row, sample in prefetched(dataset.__getitem__, rows):
        waiting.append((row, sample))
        if len(waiting) == _BATCH:
            yield from flush()
    if waiting:
        yield from flush()


@torch.no_grad()
def entropies(run: LoadedRun, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, float]]:
    """Mean entropy of the classes of each frame's pixels, 1 where all classes are as likely."""
    home = next(run.method.parameters()).device
    options = run.config.frames.options
    for row, image in prefetched(lambda row: to_network(open_frame(manifest, row), options), rows):
        logits = run.method.predict(on_device([image], home))["logits"]
        yield from _finite([row], pixel_entropy(logits).mean((1, 2)).tolist(), manifest)


def _finite(rows: list[int], scores: list[float], manifest: Manifest) -> Iterator[tuple[int, float]]:
    for row, score in zip(rows, scores, strict=True):
        if not np.isfinite(score):
            raise InputError(
                f"the score of {manifest.path(row)} is not finite: the network has diverged; lower --optim.lr of the "
                "student, or select with another run."
            )
        yield row, score
