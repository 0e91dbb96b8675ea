"""How right are labels that were carried through video?

    python -m benchmarks.studies.propagation --data camvid --camvid ../shared/data/camvid
    python -m benchmarks.studies.propagation --data toytown --out DIR [--motions flow]
    python -m benchmarks.studies.propagation --data conditions

CamVid: the 101 frames of val (15 Hz, 480 x 360), of which 3 or 7 keep their label; every other frame is scored. Toy
town: streets that no training has seen, one label in 20 frames (positions 10, 30, ...), by flow, by the geometry of a
depth run of the training streets, and by both. Conditions: four streets of another town, by flow, at dusk, at other
rates and in other sizes; the drives are the same ones, and a label comes every two seconds in all of them. Rows say
coverage, mIoU and the share of right pixels among those that kept a label, and how well confidence tells right from
wrong (area under its curve; reliability in five bins). Rows that are in the CSV file already are not measured again.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims.carried_labels import KeptFlow
from benchmarks.claims.lab import Lab
from benchmarks.studies.common import commit, device_name, read_rows, write_rows
from vergence import api
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.masks.pseudo_label_files import read_confidence
from vergence.motion.flow import DenseFlow
from vergence.motion.track import pixel_positions, sample

RESULTS = Path(__file__).parent / "results"
KEPT = {"camvid": (1.0, 0.85, 0.6), "toytown": (1.0, 0.85, 0.8, 0.7), "conditions": (0.85, 0.8, 0.7)}
KEYS = ("set", "motion", "labels", "keep")
MOTIONS = {"flow": "flow", "geometry": "geometry", "auto": "flow and geometry"}
CONDITIONS: dict[str, dict[str, Any]] = {
    "another town": {},
    "dusk": {"style": "dusk"},
    "5 Hz": {"fps": 5.0},
    "20 Hz": {"fps": 20.0},
    "96x48": {"width": 96, "height": 48},
    "384x192": {"width": 384, "height": 192},
}
DRIVEN, BETWEEN = 4, 2
"""Seconds of each street, and between labels, of which the first comes after half of that."""
CAMVID_KEYS = {3: (16, 50, 84), 7: (7, 21, 36, 50, 64, 79, 93)}
BINS = (0.5, 0.7, 0.9, 0.95, 0.98, 1.01)
IGNORED = 255


def with_keys(frames: Manifest, keys: Sequence[int]) -> Manifest:
    """The frames, of which only those at these places keep their label."""
    rows = [row if place in keys else replace(row, label="", label_space="") for place, row in enumerate(frames)]
    return Manifest(rows, frames.root)


def scored(truth: Manifest, carried: Manifest) -> dict[str, Any]:
    """Carried labels beside the true ones, over all frames together."""
    classes = len(label_space(truth[0].label_space))
    counts = np.zeros((classes, classes), np.int64)
    sure, right = [], []
    for index, row in enumerate(carried):
        if not row.label_origin:
            continue
        known = read_label(truth.path(index, "label"))
        found = read_label(carried.path(index, "label"))
        both = (known != IGNORED) & (found != IGNORED)
        counts += np.bincount(known[both].astype(int) * classes + found[both], minlength=classes**2).reshape(
            classes, classes
        )
        confidence = read_confidence(carried.path(index, "label_confidence"), found.shape)
        sure.append(confidence[both])
        right.append((known == found)[both])
    hits = np.diag(counts)
    seen = counts.sum(1) > 0
    iou = hits / np.maximum(counts.sum(0) + counts.sum(1) - hits, 1)
    return {
        "miou": round(float(iou[seen].mean()), 4),
        "pixels_right": round(float(hits.sum() / counts.sum()), 4),
        **reliability(np.concatenate(sure) / 255, np.concatenate(right)),
        **{f"iou {number}": round(float(value), 3) for number, value in enumerate(iou) if seen[number]},
    }


def reliability(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Area under the curve of confidence against errors, and the share that is right in bins of confidence."""
    from torchmetrics.functional.classification import binary_auroc

    area = binary_auroc(torch.from_numpy(sure), torch.from_numpy(right))  # binned, it loses what lies at 1
    row: dict[str, Any] = {"auroc": round(float(area), 4)}
    for low, high in itertools.pairwise(BINS):
        inside = (sure >= low) & (sure < high)
        row[f"right at {low:g}"] = round(float(right[inside].mean()), 3) if inside.any() else ""
    return row


def consecutive_agreement(frames: Manifest) -> float:
    """Share of pixels in which a hand-made label agrees with the next one's under flow: the ceiling of carrying."""
    from vergence.propagation.video_motion import working_frame

    flow, shares = DenseFlow(), []
    greys = [(working_frame(frames, row, 10_000).mean(0) * 255).byte().numpy() for row in range(len(frames))]
    labels = [torch.from_numpy(read_label(frames.path(row, "label")).copy()) for row in range(len(frames))]
    for now in range(1, len(frames)):
        way = flow(greys[now], greys[now - 1])
        at = (pixel_positions(way) + way).round()
        inside = (sample(torch.ones(1, *way.shape[-2:]), at)[0] > 0) & (at >= 0).all(0)
        x, y = at[0].long().clamp(0, way.shape[-1] - 1), at[1].long().clamp(0, way.shape[-2] - 1)
        before = labels[now - 1][y, x]
        both = inside & (before != IGNORED) & (labels[now] != IGNORED)
        shares.append(float((before == labels[now])[both].float().mean()))
    return float(np.mean(shares))


def rows_of(
    truth: Manifest, keys: Sequence[int], data: str, name: dict[str, Any], out: Path, **options: Any
) -> Iterator[dict]:
    """A row for each share of pixels that is kept and was not measured before."""
    given = with_keys(truth, keys).write(out / "given.parquet")
    motion = MOTIONS[options.get("motion", "flow")]
    before = {tuple(row[key] for key in KEYS) for row in read_rows(RESULTS / f"propagation_{data}.csv")}
    for keep in KEPT[data]:
        if (name["set"], motion, str(len(keys)), str(keep)) in before:
            continue
        with patch("vergence.propagation.video_motion.DenseFlow", KeptFlow):  # of a pair of frames once for all rows
            record = api.labels_propagate(given, out / "carried.parquet", keep=keep, device="cpu", **options)
        found = scored(truth, Manifest.read(out / "carried.parquet"))
        stamp = {"data": record["data"], "seconds": record["seconds"], "device": device_name(), "commit": commit()}
        row = {**name, "motion": record["motion"], "labels": len(keys), "keep": keep}
        yield row | {"coverage": round(record["coverage"], 3), **found, **stamp}


def camvid(root: Path, out: Path) -> Iterator[dict]:
    from vergence.data.layouts import index_layout

    frames = index_layout("camvid", root, out / "camvid.parquet").select("val")
    truth = Manifest(list(frames), frames.root)
    for keys in CAMVID_KEYS.values():
        yield from rows_of(truth, keys, "camvid", {"set": "camvid val"}, out, motion="flow")
    ceiling = {"set": "camvid val", "motion": "labels of neighbours under flow", "labels": len(truth), "keep": 1.0}
    if all(row["motion"] != ceiling["motion"] for row in read_rows(RESULTS / "propagation_camvid.csv")):
        yield ceiling | {"pixels_right": round(consecutive_agreement(truth), 4)}


def toytown(out: Path, motions: Sequence[str]) -> Iterator[dict]:
    lab = Lab(out)
    frames = Manifest.read(lab.town).select("val")
    truth = Manifest(sorted(frames, key=lambda row: (row.sequence, row.position)), frames.root)
    keys = [place for place, row in enumerate(truth) if row.position % 20 == 10]
    for motion in motions:
        run = None if motion == "flow" else lab.depth
        yield from rows_of(truth, keys, "toytown", {"set": "toy town val"}, out, motion=motion, run=run)


def conditions(out: Path) -> Iterator[dict]:
    for name, changes in CONDITIONS.items():
        rate = int(changes.get("fps", 10))
        options = {"seed": 11, "train": 0, "val": 4, "stereo": False, "frames": DRIVEN * rate, **changes}
        folder = out / name.replace(" ", "_")
        frames = api.index("toytown", folder, folder.with_suffix(".parquet"), options)
        truth = Manifest(sorted(frames, key=lambda row: (row.sequence, row.position)), frames.root)
        keys = [place for place, row in enumerate(truth) if row.position % (BETWEEN * rate) == BETWEEN * rate // 2]
        yield from rows_of(truth, keys, "conditions", {"set": name}, out, motion="flow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=KEPT, required=True)
    parser.add_argument("--camvid", type=Path, default=Path("../shared/data/camvid"))
    parser.add_argument("--motions", choices=MOTIONS, nargs="+", default=list(MOTIONS), help="of toy town")
    parser.add_argument("--out", type=Path, default=Path("runs/propagation"), help="may be that of the claims")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = {
        "camvid": lambda: camvid(given.camvid, given.out),
        "toytown": lambda: toytown(given.out, given.motions),
        "conditions": lambda: conditions(given.out),
    }
    for row in rows[given.data]():
        write_rows(RESULTS / f"propagation_{given.data}.csv", [row], KEYS)


if __name__ == "__main__":
    main()
