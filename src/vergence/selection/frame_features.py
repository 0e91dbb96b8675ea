"""Features of all frames, computed once: kept on disk, resumable, shared between processes."""

import contextlib
import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vergence.data.atomic import check_folder_place, write_text
from vergence.data.digests import file_state, text_digest
from vergence.data.imaging.deep_pictures import decoding
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.data.shards import FOLDER, WHOLE, Shard
from vergence.data.structured import map_array, read_json
from vergence.errors import InputError, in_bytes
from vergence.inference.inputs import prefetched, to_network
from vergence.inference.networks import RunNetwork
from vergence.inference.predictor import Maps, Predictor
from vergence.models.frame_features import LEVEL
from vergence.progress import Progress
from vergence.runs.checkpoint import LoadedRun
from vergence.selection.features import POOLED, FeatureSpace, pooled_features
from vergence.selection.stored_arrays import shared_array
from vergence.training.batch_size import free_memory

_log = logging.getLogger("vergence")
_BATCH = 8
_FLUSH = 64
_HALF_ABOVE = 8 * 2**30
_PLACES = POOLED[0] * POOLED[1]


@dataclass(frozen=True)
class Features:
    """Raw features of the frames of ``candidates.parquet``, row by row."""

    array: NDArray[np.floating]
    """(N, D) float16 or float32, a memory map."""
    digests: NDArray[np.uint64]
    """(N,): equal for images that look the same to the network; 0 where the features are still missing."""

    def space(self, device: str | torch.device = "cpu") -> FeatureSpace:
        """The frames as standardised points, held in memory where half of what is free takes them."""
        memory = int(free_memory(torch.device(device)) / 2)
        return FeatureSpace.standardised(self.array, self.array.shape[1] // _PLACES, device, memory)


def compute_features(
    run: LoadedRun,
    manifest: Manifest,
    out: Path,
    half: bool | None = None,
    shard: Shard | None = None,
    progress: Progress | None = None,
) -> Features:
    """Compute what is missing in ``out/features.npy`` of this process's shard.

    Args:
        half: store 16-bit floats; default only where 32 bits would need more than 8 GiB.
        progress: called with (done, total) of the shard.

    Features of pictures that have changed, and damaged ones, count as missing.

    Raises:
        InputError: a file is missing, broken or not of the size that the manifest says; features are not finite;
            ``out`` holds features of other frames or of another run; there is too little space.
    """
    rows = (shard or WHOLE).rows(len(manifest))
    width = _width(run, _load(run, manifest, rows[0] if rows else 0)[0])
    half = 4 * width * len(manifest) > _HALF_ABOVE if half is None else half
    features, checks = _opened(out, _identity(run, manifest, width, half))
    _drop_stale(features, checks, manifest, rows)
    missing = [row for row in rows if features.digests[row] == 0]
    since: list[tuple[int, int]] = []

    def keep() -> None:  # a digest says that the features before it are on disk
        for row, _ in since:
            checks[row] = _check(features, manifest, row)
        for stored in (features.array, checks):
            if isinstance(stored, np.memmap):
                stored.flush()
        for row, digest in since:
            features.digests[row] = digest
        since.clear()

    with contextlib.ExitStack() as stack:
        stack.callback(keep)
        for done, (row, digest, values) in enumerate(_computed(run, manifest, missing), start=1):
            features.array[row] = _stored(values, features.array.dtype, manifest.path(row), run)
            since.append((row, digest))
            if len(since) == _FLUSH:
                keep()
            if progress is not None:
                progress(len(rows) - len(missing) + done, len(rows))
    return features


def _check(features: Features, manifest: Manifest, row: int) -> tuple[int, int]:
    """Numbers that change with the picture of a row, or how its lens bends it, and with its stored features."""
    seen = text_digest(f"{file_state(manifest.path(row))}|{manifest[row].lens}|{decoding(manifest.path(row))}")
    return int(seen[:16], 16), zlib.crc32(np.ascontiguousarray(features.array[row]).data)


def _drop_stale(features: Features, checks: NDArray[np.uint64], manifest: Manifest, rows: Iterable[int]) -> None:
    """Make features of rows count as missing whose picture has changed, or which are damaged; say how many."""
    stale = [
        row for row in rows if features.digests[row] and tuple(map(int, checks[row])) != _check(features, manifest, row)
    ]
    for row in stale:
        features.digests[row] = 0
    if stale:
        name = manifest.path(stale[0])
        message = (
            "features of %d frames are made again, since their pictures have changed or they are damaged; the first: %s"
        )
        _log.warning(message, len(stale), name)


def open_features(out: Path) -> Features:
    """The features that are there; InputError where they are not or are damaged."""
    remedy = "run vergence select with this --out first"
    return Features(*(map_array(out / name, remedy=remedy) for name in ("features.npy", "digests.npy")))


def _computed(run: LoadedRun, manifest: Manifest, rows: Iterable[int]) -> Iterator[tuple[int, int, Tensor]]:
    """(row, digest, features) of rows, in batches of images of one size."""
    loaded = prefetched(lambda row: _load(run, manifest, row), rows)
    images = (((row, digest), image) for row, (image, digest) in loaded)
    network = RunNetwork(run)
    for (row, digest), maps in Predictor(network, _BATCH).looked_at(images, partial(_pooled, network)):
        yield row, digest, maps["features"]


def _pooled(network: RunNetwork, images: Sequence[Tensor]) -> Maps:
    return {"features": pooled_features(network.method.frame_features(network.images(images))).cpu()}


@torch.no_grad()
def _width(run: LoadedRun, image: Tensor) -> int:
    """How many features a frame has."""
    return int(_pooled(RunNetwork(run), [image])["features"].shape[1])


def _load(run: LoadedRun, manifest: Manifest, row: int) -> tuple[Tensor, int]:
    """The image as the network sees it, (3, h, w) uint8, and a number that stands for its pixels, never 0."""
    path, entry = manifest.path(row), manifest[row]
    image = open_frame(manifest, row)
    if entry.width and (entry.width, entry.height) != image.size:
        raise InputError(
            f"{path} is {image.width}x{image.height}, but the manifest says {entry.width}x{entry.height}; "
            "make the manifest again, with the intrinsics of this size."
        )
    seen = to_network(image, run.config.frames.options)
    digest = hashlib.blake2b(seen.contiguous().numpy().tobytes() + bytes(str(seen.shape), "ascii"), digest_size=8)
    return seen, int.from_bytes(digest.digest(), "little") or 1


def _stored(values: Tensor, form: np.dtype, path: Path, run: LoadedRun) -> NDArray[np.floating]:
    if not torch.isfinite(values).all():
        raise InputError(
            f"the features of {path} are not finite: the network of {run.path} has diverged; "
            "select with another run or an earlier checkpoint."
        )
    with np.errstate(over="ignore"):
        stored = values.numpy().astype(form)
    if not np.isfinite(stored).all():
        raise InputError(f"the features of {path} are too large for 16 bits; give another --out and --half false.")
    return stored


def _identity(run: LoadedRun, manifest: Manifest, width: int, half: bool) -> dict[str, Any]:
    """What features depend on."""
    with run.files().weights.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    names = hashlib.sha256("\n".join(manifest.values("image")[: len(manifest)]).encode(errors="surrogateescape"))
    return {
        "frames": {"number": len(manifest), "names": names.hexdigest()[:16]},
        "run": {"weights": weights, "level": LEVEL, "pooled": list(POOLED), "columns": width},
        "form": "float16" if half else "float32",
    }


def _opened(out: Path, identity: dict[str, Any]) -> tuple[Features, NDArray[np.uint64]]:
    """The files, and the checks (N, 2) of their rows, made where they are not there; several processes may do so."""
    stored = _stored_identity(out)
    if stored is not None:
        for part, cause in (("frames", "other frames"), ("run", "another run"), ("form", "another precision")):
            if stored.get(part) != identity[part]:
                raise InputError(f"{out} holds features of {cause}; give another --out, or remove that folder.")
    rows, columns = identity["frames"]["number"], identity["run"]["columns"]
    check_folder_place(out)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "features.npy").exists():
        needed, free = rows * columns * np.dtype(identity["form"]).itemsize, shutil.disk_usage(out).free
        if needed > free:
            raise InputError(
                f"features of {rows} frames need {in_bytes(needed)} in {out} and {in_bytes(free)} are free; free "
                "some space, give another --out, or --half."
            )
    features = Features(
        shared_array(out / "features.npy", identity["form"], (rows, columns)),
        shared_array(out / "digests.npy", "uint64", (rows,)),
    )
    checks = shared_array(out / "checks.npy", "uint64", (rows, 2))
    if stored is None:
        write_text(out / "features.json", json.dumps(identity, indent=2) + "\n")
    return features, checks


def _stored_identity(out: Path) -> dict[str, Any] | None:
    path = out / "features.json"
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(not _is_own(entry.name) for entry in out.iterdir())):
            raise InputError(f"{out} is there and holds no selection; give a new folder as --out.")
        return None
    stored = read_json(path, remedy="remove that folder and select again")
    return stored if isinstance(stored, dict) else {}


def _is_own(name: str) -> bool:
    """Whether a file is what another process, or a killed one, has begun."""
    return name.startswith(".") or name in ("features.npy", "digests.npy", "checks.npy", "candidates.parquet", FOLDER)
