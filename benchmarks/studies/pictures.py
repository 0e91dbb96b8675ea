"""A sheet of pictures for docs/results.md: input, inverse depth predicted by each run, the true one, relative errors.

python -m benchmarks.studies.pictures DATA RUN... --split val --out docs/images/NAME.png
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.geometry.camera import resize_inverse_depth
from vergence.inference.inputs import evenly_spaced, ground_truth, has_truth, on_device, working_image
from vergence.metrics.depth import counted, median
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.settings.protocols import PROTOCOLS

WORST = 0.5  # relative error at the end of the colour scale
GAP = 4


def coloured(values: NDArray[np.float64], largest: float, measured: NDArray[np.bool_], name: str) -> NDArray[np.uint8]:
    picture = colormaps[name](np.clip(values / largest, 0, 1))[..., :3]
    return (255 * np.where(measured[..., None], picture, 0.25)).astype(np.uint8)


def widened(
    measured: NDArray[np.bool_], values: NDArray[np.float64], reach: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Sparse measurements drawn a few pixels wide, or nobody sees them: the largest value of a window."""
    sparse = torch.from_numpy(np.stack([measured, np.where(measured, values, 0)])).double()
    known, largest = torch.nn.functional.max_pool2d(sparse, 2 * reach + 1, 1, reach).numpy()
    return known > 0, largest


def side_by_side(panels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of one size beside each other, a white gap to the right of and below each."""
    return np.concatenate([np.pad(panel, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for panel in panels], 1)


def row(runs: Sequence[LoadedRun], manifest: Manifest, index: int, width: int) -> NDArray[np.uint8]:
    image = working_image(manifest, index, runs[0].config.frames.options)
    truth = torch.from_numpy(ground_truth(manifest, index)).double()
    mask = counted(truth, PROTOCOLS["plain"])
    measured, inverse = mask.numpy(), np.where(mask, 1 / truth.clamp(min=1e-3), 0).astype(np.float64)
    largest = float(np.percentile(inverse[measured], 97))
    reach = 0 if truth.shape == image.shape[1:] else 3
    wide, inverse = widened(measured, inverse, reach)
    predictions, errors = [], []
    for run in runs:
        with torch.no_grad():
            predicted = run.method.predict(on_device([image], torch.device("cpu")))["inverse_depth"][0, 0]
        full = resize_inverse_depth(predicted, truth.shape).double()
        full = full / (median(truth[mask]) / median(1 / full[mask]))
        _, error = widened(measured, ((1 / full - truth).abs() / truth.clamp(min=1e-3)).numpy(), reach)
        predictions.append(coloured(full.numpy(), largest, np.ones_like(measured), "magma"))
        errors.append(coloured(error, WORST, wide, "turbo"))
    panels = [image.permute(1, 2, 0).numpy(), *predictions, coloured(inverse, largest, wide, "magma"), *errors]
    height = round(width * truth.shape[0] / truth.shape[1])
    return side_by_side([np.asarray(Image.fromarray(panel).resize((width, height))) for panel in panels])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--width", type=int, default=288)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = [load_run(run) for run in options.runs]
    manifest = resolve_input(options.data).select(split=options.split)
    frames = evenly_spaced([index for index in range(len(manifest)) if has_truth(manifest, index)], options.rows)
    sheet = np.concatenate([row(runs, manifest, index, options.width) for index in frames])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet[:-GAP, :-GAP]).save(options.out, optimize=True, quality=88)


if __name__ == "__main__":
    main()
