"""Rare-class sampling (DAFormer, Hoyer et al., CVPR 2022): frames that show a seldom class are drawn more often."""

import contextlib
import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vergence.data.atomic import writing
from vergence.data.buckets.addresses import is_remote
from vergence.data.buckets.remote import local
from vergence.data.caching.cache import default_cache_folder
from vergence.data.dataset import FrameDataset
from vergence.data.labels import label_space
from vergence.data.lenses import lens_mark
from vergence.data.loading import EndlessSampler
from vergence.data.structured import map_array
from vergence.errors import InputError

_log = logging.getLogger("vergence")
_ENOUGH = 0.0015
"""Share of a frame that a class must cover to be shown by it; 3000 pixels of a GTA5 frame."""


class RareClassSampler(EndlessSampler):
    """As :class:`~vergence.data.loading.EndlessSampler`, but every sample is drawn for a class: a class by
    :func:`class_probability`, then one of the samples that show it, so that an epoch repeats some and lacks others.

    Args:
        counts: pixels (n, K) of each class in each sample.
        temperature: of :func:`class_probability`.
        settings: those of ``EndlessSampler``, without n and ``shuffle``.
    """

    def __init__(self, counts: NDArray[np.integer], temperature: float, *settings: Any, **named: Any) -> None:
        super().__init__(len(counts), *settings, **named)
        share = counts / counts.sum(1, keepdims=True).clip(1)
        self.probability = class_probability(counts.sum(0), temperature)
        frequent = [np.flatnonzero(column >= _ENOUGH) for column in share.T]
        self._shown = [
            rows if len(rows) else np.flatnonzero(column) for rows, column in zip(frequent, counts.T, strict=True)
        ]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, epoch])
        drawn = rng.choice(len(self.probability), self.n, p=self.probability)
        order = np.empty(self.n, dtype=np.int64)
        for index in np.unique(drawn):
            slots = drawn == index
            order[slots] = rng.choice(self._shown[index], int(slots.sum()))
        return order


def class_probability(pixels: NDArray[np.integer], temperature: float) -> NDArray[np.float64]:
    """exp((1 - share) / temperature), normalised, of classes with these numbers of pixels (K,); 0 of those without.

    The lower the temperature, the more the rarest classes are preferred; DAFormer has 0.01.

    Raises:
        ValueError: no pixel at all, or a temperature that is not positive.
    """
    if temperature <= 0 or not pixels.any():
        raise ValueError(f"temperature {temperature} of classes with {pixels.tolist()} pixels, expected both positive")
    share = pixels / pixels.sum()
    weight = np.where(pixels > 0, np.exp((share[pixels > 0].min() - share) / temperature), 0)
    return np.asarray(weight / weight.sum())


def _is_there(path: Path) -> bool:
    return is_remote(path) or path.is_file()


def class_counts(dataset: FrameDataset) -> NDArray[np.int64]:
    """Pixels (n, K) of each class in the label of each sample, uncropped, at working size.

    All labels are read once, and what was counted is kept in the cache folder.
    """
    manifest, options = dataset.manifest, dataset.options
    files = [manifest.path(row, "label") if manifest[row].label else None for row in dataset.rows]
    states = [(path, local(path).stat()) if path is not None and _is_there(path) else None for path in files]
    identities = [state and f"{state[0]}|{state[1].st_size}|{state[1].st_mtime_ns}" for state in states]
    about = [options.height, options.width, options.fit, options.crop_anchor, options.label_space, *identities]
    about += [f"aspect {options.aspect}"] if options.aspect else []
    about += [f"{row} {mark}" for row in dataset.rows if (mark := lens_mark(manifest[row]))]
    name = hashlib.sha1("\n".join(map(str, about)).encode(errors="surrogateescape"), usedforsecurity=False).hexdigest()
    stored = default_cache_folder().parent / "class_counts" / f"{name}.npy"
    classes = len(label_space(options.label_space))
    if stored.is_file():
        with contextlib.suppress(InputError):  # a damaged file of the cache is made again
            return np.array(map_array(stored, "r", (len(dataset.rows), classes), "int64"))
    _log.info("counting the classes of %d labels", len(files))

    def count(row: int) -> NDArray[np.int64]:
        return np.bincount(dataset.label(row).flatten().numpy(), minlength=256)[:classes]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = np.stack(list(pool.map(count, dataset.rows))).astype(np.int64)
    with writing(stored) as temporary, temporary.open("wb") as file:
        np.save(file, counts)
    return counts
