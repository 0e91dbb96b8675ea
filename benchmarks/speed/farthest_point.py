"""Speed of farthest-point selection: seconds, processor seconds, memory, and growth with the number of frames.

    python -m benchmarks.speed.farthest_point                                        # 744 of 2975 x 8192
    python -m benchmarks.speed.farthest_point --frames 1000000 --columns 256 --picks 1000
    python -m benchmarks.speed.farthest_point --frames 1000000 --columns 256 --picks 1000 --on_disk
    python -m benchmarks.speed.farthest_point --frames 1000000 --columns 2048 --picks 1000 --form float16 --on_disk \\
        --once

Features are drawn around 200 centres, as frames of video lie in places. Timed is all that ``vergence select`` does with
features: statistics, standardisation, picks. "official" are the same picks as the published program makes them, from
the matrix of all distances and the minimum over all chosen rows anew for each pick (O(n^2 N)); left out where the
matrix has more than 64 million entries. "products" is the bare cost of as many products of the features with a vector.
Growth is the time for all frames to the time for a quarter of them, by four: 1 where time is proportional. ``--once``
leaves these out, and after the clock has stopped compares all frames with all picks: ``same_picks`` is then how many
are as far from those before them as any frame is, as single precision tells. Peak memory is that of the process above
what it held before, with the features unless they are on disk. On a machine that others use look at seconds of the
processor, with one thread. Appends one CSV row to ``--out``.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.speed.common import append_rows, stamp
from tests.selection.distances import distance_matrix
from vergence.selection.farthest_point import farthest_points
from vergence.selection.features import FeatureSpace

CENTRES, PLACES = 200, 32
_LARGEST_MATRIX = 64_000_000


def draw_features(frames: int, columns: int, form: str, folder: Path | None) -> NDArray[np.floating]:
    """Features (N, D), in memory or as a memory map of a file."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, columns)).astype(np.float32)
    if folder is None:
        features: NDArray[np.floating] = np.empty((frames, columns), dtype=form)
    else:
        features = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=form, shape=(frames, columns))
    for start in range(0, frames, 20_000):
        size = min(20_000, frames - start)
        noise = rng.standard_normal((size, columns), dtype=np.float32)
        features[start : start + size] = centres[rng.integers(0, CENTRES, size)] + 0.5 * noise
    if folder is not None:
        features.flush()  # type: ignore[attr-defined]
        return np.load(folder / "features.npy", mmap_mode="r")
    return features


def selection(features: NDArray[np.floating], picks: int, device: str, memory: int) -> list[int]:
    """What ``vergence select`` does."""
    space = FeatureSpace.standardised(features, features.shape[1] // PLACES, device, memory)
    return [pick.row for pick in farthest_points(space, picks, start=0)]


def official(features: NDArray[np.floating], picks: int) -> list[int]:
    """The published way."""
    maps = torch.from_numpy(np.array(features)).float().view(len(features), -1, 4, 8)
    matrix = distance_matrix(maps)
    chosen = [0]
    while len(chosen) < picks:
        nearest = matrix[torch.tensor(chosen)].min(0).values
        chosen.append(int(nearest.argmax()))
    return chosen


def farthest_of_all(features: NDArray[np.floating], picks: list[int], device: str) -> int:
    """How many picks are, by the definition, as far from those before them as any frame, up to rounding."""
    space = FeatureSpace.standardised(features, features.shape[1] // PLACES, device, 0)
    points = space.points(picks)
    norms, farthest = points.square().sum(1), torch.zeros(len(picks), device=device)
    for _, block in space.blocks():
        apart = torch.addmm(norms, block, points.T, alpha=-2).add_(block.square().sum(1)[:, None])
        farthest = torch.maximum(farthest, apart.cummin(1).values.amax(0))
    own = torch.cdist(points.double(), points.double()).square()
    own = own.masked_fill(torch.ones_like(own).triu().bool(), torch.inf).amin(1)
    return 1 + int((own[1:] >= farthest[:-1].double() - 2 * space.slack).sum())


def products(features: NDArray[np.floating], picks: int, device: str) -> None:
    """As many products with a vector."""
    points = torch.from_numpy(np.array(features)).float().to(device)
    for row in range(picks - 1):
        points @ points[row]


def measured(call: Callable[[], Any], device: str) -> tuple[float, float, Any]:
    """Seconds by the clock and of the processor, and the result."""
    if device == "cuda":
        torch.cuda.synchronize()
    clock, processor = time.perf_counter(), time.process_time()
    result = call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - clock, time.process_time() - processor, result


def peak() -> int:
    """Largest resident memory of this process so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2975)
    parser.add_argument("--columns", type=int, default=8192)
    parser.add_argument("--picks", type=int, default=744)
    parser.add_argument("--form", choices=["float16", "float32"], default="float32")
    parser.add_argument("--on_disk", action="store_true", help="features stay in a file")
    parser.add_argument("--bare", action="store_true", help="without the official way and the bare products")
    parser.add_argument("--once", action="store_true", help="neither these nor growth, but picks are compared with all")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="CSV file to append to")
    options = parser.parse_args()
    device, picks = options.device, options.picks
    with tempfile.TemporaryDirectory() as folder:
        features = draw_features(
            options.frames, options.columns, options.form, Path(folder) if options.on_disk else None
        )
        memory = 0 if options.on_disk else 2**40
        before = peak()
        quarter = features[: options.frames // 4]
        if not options.once:
            small = measured(lambda: selection(quarter, min(picks, len(quarter)), device, memory), device)
        whole = measured(lambda: selection(features, picks, device, memory), device)
        row: dict[str, Any] = {
            "frames": options.frames,
            "columns": options.columns,
            "picks": picks,
            "features": f"{options.form}{' on disk' if options.on_disk else ''}",
            "seconds": round(whole[0], 2),
            "processor_seconds": round(whole[1], 2),
            "growth": "" if options.once else round(whole[1] / small[1] / 4, 3),
            "peak_mb": round((peak() - before + (0 if options.on_disk else features.nbytes)) / 1e6),
            "features_mb": round(features.nbytes / 1e6),
            "products_processor_seconds": "",
            "official_processor_seconds": "",
            "same_picks": "",
            "way": "bounds",
        }
        assert len(set(whole[2])) == picks
        if options.once:
            print(row, flush=True)
            row |= {"same_picks": farthest_of_all(features, whole[2], device)}
        elif not options.bare:
            bare = measured(lambda: products(features, picks, device), device)
            row |= {"products_processor_seconds": round(bare[1], 2)}
            if options.frames**2 <= _LARGEST_MATRIX:
                published = measured(lambda: official(features, picks), device)
                row |= {"official_processor_seconds": round(published[1], 2)}
                row |= {"same_picks": sum(a == b for a, b in zip(published[2], whole[2], strict=True))}
    print("\n".join(f"{name:28} {value}" for name, value in row.items()))
    if options.out:
        append_rows(options.out, [row | stamp(device)])


if __name__ == "__main__":
    main()
