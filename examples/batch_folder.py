"""Arrays of all pictures of a folder and a table: python batch_folder.py RUN PICTURES OUT; call it again to go on."""

import csv
import sys
from pathlib import Path

import numpy as np

import vergence

run, pictures, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
out.mkdir(parents=True, exist_ok=True)
paths = [path for path in sorted(pictures.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
todo = [path for path in paths if not (out / f"{path.stem}.npz").exists()]
model = vergence.load(run, batch_size=8)

for path, seen in zip(todo, model.stream(todo), strict=True):
    arrays = {"depth": seen.depth, "classes": seen.classes, "confidence": seen.confidence}
    part = out / f"{path.stem}.part.npz"
    np.savez_compressed(part, **{name: array for name, array in arrays.items() if array is not None})
    part.replace(out / f"{path.stem}.npz")  # a file is there whole or not at all

with (out / "pictures.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["picture", "median_depth", *model.class_names])
    for path in paths:
        arrays = np.load(out / f"{path.stem}.npz")
        depth = f"{np.median(arrays['depth']):.4f}" if "depth" in arrays else ""
        shares = [f"{np.mean(arrays['classes'] == index):.4f}" for index, _ in enumerate(model.class_names)]
        table.writerow([path.name, depth, *shares])
print(f"{len(todo)} pictures, {len(paths) - len(todo)} were there: {out / 'pictures.csv'}")
