"""How well confidence of depth tells wrong pixels from right ones, and whether its number is a probability.

    python benchmarks/studies/depth_confidence.py --fit RUN DATA SPLIT --judge NAME RUN DATA SPLIT [--judge ...]

Wrong is a pixel whose depth, after the picture's median scaling, is off by more than a factor of 1.25. ``--fit`` prints
the coefficients of :mod:`vergence.inference.depth_confidence` on pixels whose depth is known exactly (toy town);
``--judge`` writes AUROC (of all pixels together, and the mean over pictures), the expected calibration error over ten
bins, and the error left where the least sure pixels are dropped. Evidence alone stands beside the sum of it.
"""

import argparse
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.common import commit, device_name, write_rows
from vergence import __version__
from vergence.data.manifest import Manifest
from vergence.geometry.camera import resize_inverse_depth
from vergence.inference.depth_confidence import depth_confidence, depth_evidence
from vergence.inference.inputs import evenly_spaced, ground_truth, has_truth, working_image
from vergence.inference.networks import RunNetwork
from vergence.methods.view_synthesis import COARSER
from vergence.metrics.depth import median
from vergence.runs.checkpoint import load_run

_SCALES = ("one scale", "two scales")


class Pixels(NamedTuple):
    """What is known of the measured pixels of one picture, each (N,)."""

    evidence: dict[str, dict[str, Tensor]]
    """By what was compared, then by name."""
    confidence: dict[str, Tensor]
    error: Tensor
    """|log of prediction / truth|."""

    @property
    def wrong(self) -> Tensor:
        return self.error > np.log(1.25)


@torch.no_grad()
def looked_at(run: Path, data: Path, split: str, pictures: int) -> list[Pixels]:
    """Evidence, confidence and errors of the pictures of a split with measured depth of 0.1 to 80 m."""
    loaded, manifest = load_run(run, "cpu"), Manifest.read(data).select(split)
    network, result = RunNetwork(loaded), []
    measured = [index for index in range(len(manifest)) if has_truth(manifest, index)]
    for index in evenly_spaced(measured, pictures):
        images = network.images([working_image(manifest, index, network.options)])
        plain, turned = network.method.predict(images), network.method.predict(images.flip(-1))
        pair = (plain["inverse_depth"], turned["inverse_depth"].flip(-1))
        compared = {_SCALES[0]: None} | ({_SCALES[1]: plain[COARSER]} if COARSER in plain else {})
        truth = torch.from_numpy(ground_truth(manifest, index))
        known = (truth > 0.1) & (truth < 80)

        def seen(values: Tensor, known: Tensor = known) -> Tensor:
            return resize_inverse_depth(values[0, 0], known.shape)[known]

        depth = 1 / seen(pair[0])
        error = (depth * median(truth[known]) / median(depth) / truth[known]).log().abs()
        evidence = {
            name: {key: seen(value) for key, value in depth_evidence(*pair, coarser).items()}
            for name, coarser in compared.items()
        }
        confidence = {name: seen(depth_confidence(*pair, coarser)) for name, coarser in compared.items()}
        result.append(Pixels(evidence, confidence, error))
    return result


def fitted(pictures: list[Pixels], scales: str) -> dict[str, float]:
    """Coefficients of the probability of being wrong, by Newton's method."""
    names = list(pictures[0].evidence[scales])
    columns = [torch.cat([one.evidence[scales][name] for one in pictures]).double() for name in names]
    inputs = torch.stack([torch.ones_like(columns[0]), *columns], dim=1)
    wrong = torch.cat([one.wrong for one in pictures]).double()
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64)
    for _ in range(20):
        probability = torch.sigmoid(inputs @ weights)
        curvature = inputs.T @ (inputs * (probability * (1 - probability))[:, None])
        weights = weights + torch.linalg.solve(curvature, inputs.T @ (wrong - probability))
    return dict(zip(["constant", *names], [round(float(weight), 3) for weight in weights], strict=True))


def calibration_error(confidence: Tensor, right: Tensor, bins: int = 10) -> float:
    """Mean distance of confidence from the share of right pixels, over bins of confidence, by their pixels."""
    place = (confidence * bins).long().clamp(max=bins - 1)
    count = torch.bincount(place, minlength=bins).double()
    said = torch.bincount(place, confidence.double(), bins)
    true = torch.bincount(place, right.double(), bins)
    return float((said - true).abs().sum() / count.sum())


def auroc(score: Tensor, wrong: Tensor) -> float:
    """Probability that a wrong pixel scores higher than a right one; NaN where only one kind is there."""
    from torchmetrics.functional.classification import binary_auroc  # of scores in [0, 1]

    if wrong.all() or not wrong.any():
        return math.nan
    lowest = score.min()
    return float(binary_auroc((score - lowest) / (score.max() - lowest).clamp_min(1e-12), wrong.long()))


def judged(name: str, pictures: list[Pixels]) -> list[dict[str, Any]]:
    """One row a score."""
    error = torch.cat([one.error for one in pictures])
    rows = []
    for scales in pictures[0].confidence:
        scores = {"confidence": [-one.confidence[scales] for one in pictures]}
        for key in pictures[0].evidence[scales]:
            scores[key] = [one.evidence[scales][key] for one in pictures]
        for score, values in scores.items():
            together, wrong = torch.cat(values), torch.cat([one.wrong for one in pictures])
            each = [auroc(value, one.wrong) for value, one in zip(values, pictures, strict=True)]
            kept = together <= together.quantile(0.7) if len(together) < 2**24 else together <= together.median()
            row = {
                "data": name, "compared": scales, "score": score, "pictures": len(pictures),
                "wrong": round(float(wrong.double().mean()), 4), "auroc": round(auroc(together, wrong), 4),
                "auroc_in_picture": round(float(np.nanmean(each)), 4),
                "error_all": round(float(error.mean()), 4), "error_surest_70": round(float(error[kept].mean()), 4),
            }  # fmt: skip
            row["calibration_error"] = round(calibration_error(-together, ~wrong), 4) if score == "confidence" else ""
            rows.append(row | {"device": device_name(), "vergence": __version__, "commit": commit()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", nargs=3, metavar=("RUN", "DATA", "SPLIT"))
    parser.add_argument("--judge", nargs=4, action="append", default=[], metavar=("NAME", "RUN", "DATA", "SPLIT"))
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "depth_confidence.csv")
    options = parser.parse_args()
    if options.fit:
        run, data, split = options.fit
        pictures = looked_at(Path(run), Path(data), split, options.pictures)
        for scales in pictures[0].evidence:
            print(scales, fitted(pictures, scales))
    rows: list[dict[str, Any]] = []
    for name, run, data, split in options.judge:
        rows += judged(name, looked_at(Path(run), Path(data), split, options.pictures))
    if rows:
        write_rows(options.csv, rows, ("data", "compared", "score"))
    for row in rows:
        print({key: row[key] for key in row if not re.match("device|vergence|commit", key)})


if __name__ == "__main__":
    main()
