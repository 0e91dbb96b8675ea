"""A sheet of target frames for docs/results.md: does adaptation difficulty point at the errors of pseudo-labels?

    python -m benchmarks.studies.corda_pictures RUN TARGET --out docs/images/corda_NAME.jpg

From left to right: frame, true classes, pseudo-label, its wrong pixels (magenta), difficulty (bright is hard) and the
teacher's doubt (1 - confidence, the same colours). What has no label is dark.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.studies.corda_maps import Seen, look
from benchmarks.studies.pictures import GAP
from vergence.data.labels import LabelSpace
from vergence.data.measured.depth_files import ColourRange, colourize

WRONG = (236, 64, 160)
COLOURS = "magma"


def panels(seen: Seen, space: LabelSpace) -> list[NDArray[np.uint8]]:
    """Pictures (H, W, 3) of one frame."""
    truth, guess = seen.truth.numpy(), seen.pseudo_label.numpy()
    known = truth != 255
    grey = np.where(known, 0.8, 0.25)[..., None] * seen.image.mean(axis=2, keepdims=True)
    errors = np.where((known & (truth != guess))[..., None], WRONG, grey).astype(np.uint8)
    doubt = 1 - seen.confidence.double().numpy()
    maps = [doubt] if seen.difficulty is None else [1 - seen.difficulty.double().numpy(), doubt]
    coloured = [colourize(values, ColourRange(0.0, 1.0), COLOURS) for values in maps]
    return [seen.image, space.colourize(truth), space.colourize(guess), errors, *coloured]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path, help="manifest or folder with labels")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--width", type=int, default=224, help="of one picture")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    space, frames = look(options.run, options.target, options.rows + 2)
    rows: list[NDArray[np.uint8]] = []
    for seen in list(frames)[1:-1]:  # the very first and last frames are often black, or of a standing car
        pictures = panels(seen, space)
        gap = np.full((len(seen.image), GAP, 3), 255, np.uint8)
        rows.append(np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1))
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    sheet = Image.fromarray(np.concatenate([part for row in rows for part in (row, gap)][:-1]))
    scale = options.width * len(pictures) / sheet.width
    options.out.parent.mkdir(parents=True, exist_ok=True)
    size = (round(sheet.width * scale), round(sheet.height * scale))
    sheet.resize(size, Image.Resampling.NEAREST).save(options.out, quality=88, subsampling=0)


if __name__ == "__main__":
    main()
