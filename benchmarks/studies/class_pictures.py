"""A sheet of pictures for docs/results.md: input, true classes, and the classes that each run predicts.

python -m benchmarks.studies.class_pictures DATA RUN... --split val --out docs/images/NAME.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.studies.pictures import GAP
from vergence.data.labels import label_space
from vergence.data.layouts import resolve_input
from vergence.evaluation.segmentation import best_class
from vergence.inference.inputs import (
    evenly_spaced,
    ground_truth_label,
    has_label,
    on_device,
    resize_label,
    working_image,
)
from vergence.runs.checkpoint import load_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    runs = [load_run(run) for run in options.runs]
    manifest = resolve_input(options.data).select(split=options.split)
    frames = runs[0].config.frames.options
    space = label_space(frames.label_space)
    rows: list[NDArray[np.uint8]] = []
    for index in evenly_spaced([i for i in range(len(manifest)) if has_label(manifest, i)], options.rows + 2)[1:-1]:
        image = working_image(manifest, index, frames)
        size = (image.shape[1], image.shape[2])
        truth = resize_label(ground_truth_label(manifest, index, space), *size)
        panels = [image.permute(1, 2, 0).numpy(), space.colourize(np.asarray(truth))]
        with torch.no_grad():
            for run in runs:
                logits = run.method.predict(on_device([image], torch.device("cpu")))["logits"]
                panels.append(space.colourize(best_class(logits[0], size).numpy()))
        gap = np.full((size[0], GAP, 3), 255, np.uint8)
        rows.append(np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1))
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    sheet = Image.fromarray(np.concatenate([part for row in rows for part in (row, gap)][:-1]))
    scale = options.width * (2 + len(runs)) / sheet.width
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.resize((round(sheet.width * scale), round(sheet.height * scale)), Image.Resampling.NEAREST).save(options.out)


if __name__ == "__main__":
    main()
