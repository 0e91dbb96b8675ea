"""Latency of a run in PyTorch and as exported files, side by side in one process, and what each costs in accuracy.

    python -m benchmarks.speed.export_latency --runs depth=runs/depth segmentation=runs/seg --data town.parquet

Every variant looks at the same picture, one at a time, and all take turns, round after round: absolute times on a
shared machine mean little. A ratio is the median over rounds of the variant's time by PyTorch's of the same round, with
a 95 % interval by the bootstrap over rounds. At the runs' own size each also predicts ``--images`` frames of the split
val: abs rel of depth (medians aligned) and mIoU of classes. Appends CSV rows to ``--out``.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.speed.common import append_rows, stamp, timed
from vergence import api
from vergence.data.imaging.images import open_frame
from vergence.data.manifest import Manifest
from vergence.data.rows.split_rows import in_split
from vergence.inference.inputs import evenly_spaced, ground_truth, ground_truth_label, has_label, has_truth
from vergence.inference.predictor import Predictor, load
from vergence.runs.folder import find_checkpoint

VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "exported program": ("torch", ".pt2", {}),
    "ONNX Runtime": ("onnx", ".onnx", {}),
    "ONNX Runtime, fp16": ("onnx", ".onnx", {"precision": "fp16"}),
    "ONNX Runtime, int8": ("onnx", ".onnx", {"precision": "int8"}),
    "OpenVINO": ("openvino", ".xml", {}),
    "OpenVINO, int8": ("openvino", ".xml", {"precision": "int8"}),
}


def models(
    run: Path, frames: Path, folder: Path, size: str | None, variants: Sequence[str]
) -> dict[str, tuple[Predictor, float, float]]:
    """Variants by name: what predicts, megabytes on disk, largest difference to PyTorch."""
    stored = find_checkpoint(run).weights.stat().st_size
    found = {"PyTorch": (load(run, "cpu"), stored / 1e6, 0.0)}
    for number, name in enumerate(variants):
        to, suffix, settings = VARIANTS[name]
        file = folder / f"{number}{suffix}"
        record = api.export(run, to, file, frames=frames, size=size, tolerance=10.0, **settings)
        megabytes = sum(one.stat().st_size for one in (file, file.with_suffix(".bin")) if one.is_file()) / 1e6
        largest = max(record["verified"]["largest_difference"].values())
        found[name] = (load(file, "cpu"), megabytes, largest)
    return found


def looking(predictor: Predictor, picture: Image.Image) -> Callable[[], object]:
    """What is timed: the network alone, of a picture that is prepared."""
    network, seen = predictor.network, predictor.network.prepare(picture)
    return lambda: network.maps([seen])


def latencies(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Seconds by variant and round, after two rounds that warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            seconds = timed(call, "cpu")
            if turn > 1:
                times[name].append(seconds)
    return {name: np.array(values) for name, values in times.items()}


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """95 % of the median, by the bootstrap."""
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    return float(low), float(high)


def accuracy(predictor: Predictor, manifest: Manifest, images: int) -> dict[str, float | str]:
    """Abs rel and mIoU, "" where there is no truth or the variant predicts none."""
    errors, space = [], predictor.network.label_space
    counts = np.zeros((256, 256), np.int64)
    for index in evenly_spaced(range(len(manifest)), images):
        seen = predictor.predict(open_frame(manifest, index))
        if seen.depth is not None and has_truth(manifest, index):
            truth = ground_truth(manifest, index)
            known = (truth > 0) & (truth < 80)
            depth = seen.depth[known] * np.median(truth[known]) / np.median(seen.depth[known])
            errors.append(float(np.mean(np.abs(depth - truth[known]) / truth[known])))
        if space is not None and has_label(manifest, index):
            label = ground_truth_label(manifest, index, space)
            np.add.at(counts, (label.ravel(), seen.classes.ravel()), 1)
    told: dict[str, float | str] = {"abs_rel": round(float(np.mean(errors)), 4) if errors else "", "miou": ""}
    if space is not None and counts.any():
        counts = counts[: len(space), : len(space)]
        union = counts.sum(0) + counts.sum(1) - counts.diagonal()
        present = counts.sum(1) > 0
        told["miou"] = round(float(np.mean(counts.diagonal()[present] / union[present])), 4)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", required=True, metavar="NAME=RUN")
    parser.add_argument("--data", type=Path, required=True, help="manifest: frames to verify on, and to score")
    parser.add_argument("--size", help="WIDTHxHEIGHT, default the runs' own; then nothing is scored")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "export_latency.csv")
    options = parser.parse_args()
    manifest = Manifest.read(options.data)
    scored = in_split(manifest, "val")
    picture = open_frame(manifest, 0)
    for text in options.runs:
        name, _, run = text.partition("=")
        with tempfile.TemporaryDirectory() as folder:
            found = models(Path(run), options.data, Path(folder), options.size, options.variants)
            if options.size is not None:  # PyTorch at the same size as the files
                exported: Any = found[options.variants[0]][0].network
                own: Any = found["PyTorch"][0].network
                size, frames = exported.facts.size, own.options
                frames.height, frames.width = size
            looked = {one: looking(predictor, picture) for one, (predictor, _, _) in found.items()}
            times = latencies(looked, options.rounds)
            rows = []
            for one, (predictor, megabytes, largest) in found.items():
                ratios = times[one] / times["PyTorch"]
                low, high = interval(ratios)
                scores = accuracy(predictor, scored, options.images) if options.size is None else {}
                shape = tuple(predictor.network.prepare(picture).shape)
                rows.append(
                    {
                        "predicts": name, "size": f"{shape[2]}x{shape[1]}", "variant": one,
                        "milliseconds": round(1e3 * float(np.median(times[one])), 1),
                        "ratio": round(float(np.median(ratios)), 3), "low": round(low, 3), "high": round(high, 3),
                        "megabytes": round(megabytes, 1), "largest_difference": f"{largest:.1e}",
                        "abs_rel": scores.get("abs_rel", ""), "miou": scores.get("miou", ""),
                        "rounds": options.rounds, "load": round(os.getloadavg()[0], 1), **stamp("cpu"),
                    }
                )  # fmt: skip
                print(*rows[-1].values(), flush=True)
            append_rows(options.out, rows)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
