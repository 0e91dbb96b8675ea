"""Scores of frames: computed for those that are asked for, kept on disk, resumable."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.atomic import write_text
from vergence.data.caching.cache import FrameCache, default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.data.structured import map_array
from vergence.errors import InputError
from vergence.inference.inputs import prefetched
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Maps, Predictor
from vergence.losses.segmentation import pixel_entropy
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun
from vergence.selection.difficulty import depth_difficulty

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


class _Student(RunNetwork):
    """Frames with the teacher's depth beside them; ``difficulty`` (B,) is how far the student's is from it."""

    def kind(self, prepared: Any) -> Hashable:
        return super().kind(prepared["frames"][0])

    @torch.no_grad()
    def maps(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        images = self.images([sample["frames"][0] for sample in batch])
        teacher = torch.stack([sample["estimate"] for sample in batch]).to(self.device)
        return {"difficulty": depth_difficulty(self.method.predict(images)["disparity"], teacher)}


def difficulties(student: LoadedRun, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, float]]:
    """How far the student's depth of each whole frame is from the teacher's, the column ``estimate``."""
    frames = student.config.frames
    (role,) = student.config.section.roles.values()
    options = role.frame_options(frames.options)
    cache = FrameCache(default_cache_folder(), options.height, options.width) if frames.cache else None
    with quiet():
        dataset = FrameDataset(manifest, options, train=False, cache=cache)
    samples = prefetched(dataset.__getitem__, rows)
    for row, maps in Predictor(_Student(student), _BATCH).looked_at(samples):
        yield row, _finite(float(maps["difficulty"]), manifest.path(row))


def entropies(run: LoadedRun, manifest: Manifest, rows: list[int]) -> Iterator[tuple[int, float]]:
    """Mean entropy of the classes of each frame's pixels, 1 where all classes are as likely."""
    network = RunNetwork(run)

    def entropy(batch: Sequence[Tensor]) -> Maps:
        logits = run.method.predict(network.images(batch))["logits"]
        return {"entropy": pixel_entropy(logits).mean((1, 2))}

    images = prefetched(lambda row: network.prepare(open_frame(manifest, row)), rows)
    for row, maps in Predictor(network, 1).looked_at(images, entropy):
        yield row, _finite(float(maps["entropy"]), manifest.path(row))


def _finite(score: float, picture: Path) -> float:
    if not np.isfinite(score):
        raise InputError(
            f"the score of {picture} is not finite: the network has diverged; lower --optim.lr of the student, or "
            "select with another run."
        )
    return score
