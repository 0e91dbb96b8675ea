"""Which criterion chooses the frames whose labels, carried through video, give most right pixels? No training.

    python -m benchmarks.studies.reach --data camvid [--shared ../shared/data]
    python -m benchmarks.studies.reach --data kitti [--shared ../shared/data]
    python -m benchmarks.studies.reach --data toytown --out DIR

CamVid: the 101 frames of val (15 Hz, even driving). KITTI: the clips that may teach under protocol.json and have
semantics of a network trained elsewhere beside them (10 Hz); these stand for truth, so right means that what was
carried is what that network says of the frame. Toy town: streets that no training has seen, each of which begins with a
halt of another length (none, 30, 70 or 110 frames in which the car moves a tenth as fast), so that 60 % of the frames
are standing traffic. So many frames are chosen by each criterion, their labels alone are kept and carried up to two
seconds each way by flow, as ``vergence labels propagate --keep 1`` does, and all pixels of all frames are scored:
``pixels_right`` is the share of all labelled pixels that have the right label, where a pixel without a label counts as
wrong. What is random has 20 seeds; a 95 % interval (t) of the mean and the best and worst seed stand beside it.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.claims.lab import SHARED, Lab
from benchmarks.claims.real_semhint import noisy_video
from benchmarks.studies.common import commit, device_name, read_rows, trained, write_rows
from benchmarks.studies.propagation import with_keys
from vergence import api
from vergence.api import select
from vergence.data.labels import label_space
from vergence.data.layouts import index_layout
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.inference.inputs import resize_label
from vergence.motion.flow import DenseFlow
from vergence.propagation.carry import Piece, carry
from vergence.propagation.segments import seconds_between, segments
from vergence.propagation.video_motion import working_pixels
from vergence.selection.orders import random_order, uniform_order

RESULTS = Path(__file__).parent / "results"
SECONDS, WIDTH, SEEDS = 2.0, 240, 20
COUNTS = {"camvid": (3, 7), "kitti": (6, 12), "toytown": (6, 12)}
HALTS = (0, 30, 70, 110)
STREETS, STANDING_FPS = 8, 100.0
STUDENT = "select-student-tiny"
IGNORED = 255
T_975 = 2.093
"""Student's t of 19 degrees of freedom."""
KEYS = ("set", "criterion", "labels", "seed")


class Scorer:
    """Right pixels of a labelled video of which some frames keep their label; flows are computed once, and kept."""

    def __init__(self, truth: Manifest, kept: Path) -> None:
        self.truth, self.classes = truth, len(label_space(truth[0].label_space))
        self.frames = [working_pixels(truth, row, WIDTH) for row in range(len(truth))]
        self.labels = [torch.from_numpy(read_label(truth.path(row, "label")).copy()) for row in range(len(truth))]
        if not kept.is_file():
            torch.save(self._flows(), kept)
        self.flows = torch.load(kept, weights_only=True)

    def _flows(self) -> dict[str, torch.Tensor]:
        flow, found = DenseFlow(), {}
        order = sorted(range(len(self.truth)), key=lambda row: (self.truth[row].sequence, self.truth[row].position))
        grey = [frame.float().mean(0).round().byte().numpy() for frame in self.frames]
        for now, after in itertools.pairwise(order):
            if self.truth[now].sequence == self.truth[after].sequence:
                pair = (flow(grey[now], grey[after]), flow(grey[after], grey[now]))
                found[f"{now}-{after}"] = torch.stack(pair).half()
        return found

    def score(self, keys: Sequence[int]) -> dict[str, Any]:
        """Of all frames, those with a label of their own among them."""
        given = with_keys(self.truth, keys)
        counts = np.zeros((self.classes, self.classes), np.int64)
        total = reached = 0
        found = dict(self._carried(given)) | {row: self.labels[row].numpy() for row in keys}
        for row, truth in enumerate(self.labels):
            known = truth.numpy()
            total += int((known != IGNORED).sum())
            if row in found:
                label = resize_label(found[row], *known.shape)
                both = (known != IGNORED) & (label != IGNORED)
                reached += int(both.sum())
                pairs = known[both].astype(int) * self.classes + label[both]
                counts += np.bincount(pairs, minlength=self.classes**2).reshape(counts.shape)
        hits = np.diag(counts)
        seen = np.bincount(np.concatenate([label.flatten().numpy() for label in self.labels]), minlength=256)
        sizes = seen[: self.classes]
        iou = hits / np.maximum(sizes + counts.sum(0) - hits, 1)  # a pixel without a label is a miss
        return {
            "pixels_right": round(float(hits.sum() / total), 4),
            "coverage": round(reached / total, 4),
            "miou": round(float(iou[sizes > 0].mean()), 4),
        }

    def _carried(self, given: Manifest) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for segment in segments(given, SECONDS):
            chain = segment.chain
            frames = [self.frames[row] for row in chain]
            labels = [self.labels[row] if given[row].judges else None for row in chain]
            times = [seconds_between(given, chain[0], row) for row in chain]
            pairs = [self.flows[f"{now}-{after}"].float() for now, after in itertools.pairwise(chain)]
            piece = Piece(frames, times, labels, [tuple(pair) for pair in pairs], self.classes)
            for place, carried in carry(piece).carried.items():
                yield chain[place], carried.label.numpy()


def even(truth: Manifest, count: int) -> list[int]:
    """The middles of so many equal parts of all frames in the order of the videos: the best of plain spacing."""
    order = sorted(range(len(truth)), key=lambda row: (truth[row].sequence, truth[row].position))
    return [order[int((part + 0.5) * len(order) / count)] for part in range(count)]


def choices(truth: Manifest, run: Path, count: int, out: Path, students: bool) -> Iterator[tuple[str, int, list[int]]]:
    """(criterion, seed, rows); those whose students have to be trained are last, and only if asked for."""
    rows = list(truth)
    yield "reach", 0, chosen(truth, run, count, out, "reach")
    yield "reach, rarity 1", 0, chosen(truth, run, count, out, "reach", rarity=1.0)
    groups, times = [(row.sequence, row.camera) for row in rows], [row.position for row in rows]
    yield "uniform", 0, uniform_order(groups, times)[:count]
    yield "evenly spaced", 0, even(truth, count)
    for seed in range(SEEDS):
        yield "random", seed, random_order(len(rows), seed)[:count]
    for seed in range(3):
        yield "ds", seed, chosen(truth, run, count, out, "ds", seed=seed)
    for criterion in ("us", "ds_us") if students else ():
        for seed in range(3):
            yield criterion, seed, chosen(truth, run, count, out, criterion, seed=seed, student=STUDENT)


def chosen(truth: Manifest, run: Path, count: int, out: Path, criterion: str, **options: Any) -> list[int]:
    """Rows by ``vergence select``, which reads no label."""
    data = truth.write(out / "pool.parquet")
    found = select(run, data, count, out / "selection", criterion, split="all", **options)
    places = {truth.path(row).resolve(): row for row in range(len(truth))}
    pool = Manifest.read(out / "selection" / "candidates.parquet")
    return [places[pool.path(frame["row"]).resolve()] for frame in found["frames"]]


def camvid(root: Path, out: Path) -> Manifest:
    index_layout("camvid", root, out / "camvid.parquet")
    frames = Manifest.read(out / "camvid.parquet").select("val")
    return Manifest(sorted(frames, key=lambda row: row.image), frames.root, "camvid val")


def kitti(data: Path, out: Path) -> Manifest:
    """What the noisy network says of each frame takes the place of a label made by hand."""
    video = noisy_video(Lab(out, data))
    rows = [replace(row, image=str(video.path(place)), stereo="", label=row.pseudo_label, pseudo_label="",
                    label_space=row.pseudo_label_space, pseudo_label_space="")
            for place, row in enumerate(video)]  # fmt: skip
    return Manifest(sorted(rows, key=lambda row: row.image), out, "KITTI clips")


def toytown(out: Path) -> Manifest:
    """Streets that begin with a halt, as slow frames of the same street up to the moment at which the drive goes on."""
    parts = {}
    for name, fps, frames in (("drive", 10.0, 40), ("slow", STANDING_FPS, max(HALTS) + 1)):
        file = out / f"{name}.parquet"
        options = {"seed": 11, "train": STREETS, "val": 0, "frames": frames, "fps": fps, "stereo": False}
        if not file.is_file():
            api.index("toytown", out / name, file, options)
        parts[name] = Manifest.read(file)
    rows = []
    for number, street in enumerate(dict.fromkeys(row.sequence for row in parts["drive"])):
        halt = HALTS[number % len(HALTS)]
        taken = {"slow": range(halt), "drive": range(-(-halt // 10), 40)}
        rows += [
            replace(row, image=str(part.path(index)), label=str(part.path(index, "label")), depth="", pose="", fps=10.0,
                    position=row.position - taken[name].start + (halt if name == "drive" else 0))
            for name, part in parts.items() for index, row in enumerate(part)
            if row.sequence == street and row.position in taken[name]
        ]  # fmt: skip
    return Manifest(sorted(rows, key=lambda row: row.image), out, "uneven toy town")


def with_intervals(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a criterion: the mean over seeds, half its 95 % interval, the worst and the best seed."""
    told = []
    for _, group in itertools.groupby(rows, key=lambda row: [row[key] for key in KEYS[:-1]]):
        seeds = list(group)
        right = [float(row["pixels_right"]) for row in seeds]
        spread = T_975 * statistics.stdev(right) / len(right) ** 0.5 if len(right) == SEEDS else None
        mean = {name: round(statistics.mean(float(row[name]) for row in seeds), 4)
                for name in ("pixels_right", "coverage", "miou")}  # fmt: skip
        several = len(right) > 1
        told.append({
            **{key: seeds[0][key] for key in KEYS[:-1]}, "seeds": len(seeds), **mean,
            "interval": "" if spread is None else f"± {spread:.4f}",
            "worst": min(right) if several else "", "best": max(right) if several else "",
            **{key: seeds[0][key] for key in ("frames", "seconds", "width", "device", "commit")},
        })  # fmt: skip
    return told


def video_and_depth(data: str, shared: Path, out: Path) -> tuple[Manifest, Path]:
    """The labelled video, and a short depth run of it, whose features ``select`` compares."""
    recipe, words = "depth-video-tiny", ["--train.steps", "60"]
    if data == "camvid":
        truth, source = camvid(shared / "camvid", out), out / "camvid.parquet"
        words += ["--frames.train_split", "val"]
    elif data == "kitti":
        truth = kitti(shared, out)
        source = truth.write(out / "kitti.parquet")
    else:
        truth, source = toytown(out), out / "drive.parquet"
        recipe, words = "depth-toytown-tiny", ["--frames.options.offsets", "[-1,1]"]
    return truth, trained(recipe, [*words, "--train.evaluate_every", "0"], source, out / "depth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=tuple(COUNTS), required=True)
    parser.add_argument("--shared", type=Path, default=SHARED, help="real driving data")
    parser.add_argument("--out", type=Path, default=Path("runs/reach"))
    parser.add_argument("--labels", type=int, nargs="*", help="numbers of labels")
    parser.add_argument("--students", action="store_true", help="us and ds_us, too, whose students take minutes")
    given = parser.parse_args()
    out = given.out / given.data
    out.mkdir(parents=True, exist_ok=True)
    truth, run = video_and_depth(given.data, given.shared, out)
    scorer, detail = Scorer(truth, out / "flows.pt"), RESULTS / f"reach_{given.data}_seeds.csv"
    stamp = {"frames": len(truth), "seconds": SECONDS, "width": WIDTH, "device": device_name(), "commit": commit()}
    for count in given.labels or COUNTS[given.data]:
        for criterion, seed, keys in choices(truth, run, count, out, given.students):
            key = {"set": truth.name, "criterion": criterion, "labels": count, "seed": seed}
            known = [row for row in read_rows(detail) if all(row[name] == str(key[name]) for name in KEYS)]
            if known and known[0]["chosen"] == json.dumps(keys):
                continue  # a call that was stopped goes on
            row = key | scorer.score(keys) | {"chosen": json.dumps(keys)} | stamp
            write_rows(detail, [row], KEYS)
            print(*(row[name] for name in (*KEYS, "pixels_right", "coverage", "miou")), flush=True)
        rows = [row for row in read_rows(detail) if row["labels"] == str(count)]
        rows.sort(key=lambda row: (row["criterion"], int(row["seed"])))
        write_rows(RESULTS / f"reach_{given.data}.csv", with_intervals(rows), KEYS[:-1])


if __name__ == "__main__":
    main()
