"""What the demo's comparison gives over ten seeds, and which of its parts gives what.

    vergence demo
    python -m benchmarks.studies.demo --demo demo

Of a finished demo its town, the frames it chose and the labels it carried are taken. A seed draws the random frames, as
``frames.labelled`` does, and the start of the head with the order of its frames. The head is that of the recipe
``frozen-toytown``, trained for as many steps on features that are made once. Variants:

    random            ten random frames, labels alone
    random, carried   their labels carried as far, by flow alone
    reach             the frames that the demo chose, labels alone
    reach, carried    what the demo trains on

Streets that nothing was trained on judge (120 frames). What is there already is not run again; stop it at any time.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.claims.claim import interval
from benchmarks.studies.common import commit, device_name, read_rows, write_rows
from vergence import __version__
from vergence.data.manifest import Manifest
from vergence.data.masks.label_pictures import read_label
from vergence.data.masks.pseudo_label_files import read_confidence
from vergence.data.rows.subsets import labelled_subset, listed_rows
from vergence.demo import HEAD, KEEP, SECONDS
from vergence.inference.inputs import evenly_spaced
from vergence.methods.supervised import segmentation_losses
from vergence.metrics.segmentation import confusion_matrix, scores
from vergence.models.frozen_network import FrozenNetwork, build_frozen_network
from vergence.motion.confidence import probability
from vergence.motion.flow import DenseFlow
from vergence.propagation.carry import Carried, Piece, carry
from vergence.propagation.segments import seconds_between, segments
from vergence.propagation.video_motion import working_frame, working_pixels
from vergence.runs.config import RunConfig, load_config
from vergence.training.optim import build_optimizer, set_learning_rates

RESULTS = Path(__file__).parent / "results" / "demo_toytown.csv"
VARIANTS = ("random", "random, carried", "reach", "reach, carried")
KEYS = ("variant", "seed")
COUNT, SEEDS = 10, 10
Lesson = dict[int, tuple[Tensor, Tensor | None]]
"""Label ids (H, W) uint8, 255 none, and confidence (H, W) uint8 or None, by row."""


@dataclass(frozen=True)
class Kept:
    """Features and labels of frames."""

    features: dict[tuple[int, bool], list[Tensor]]
    """By row and whether mirrored, (C, h, w) a stride."""
    labels: dict[int, Tensor]


class Study:
    """A finished demo, and what is made of it once."""

    def __init__(self, demo: Path) -> None:
        self.demo = demo
        self.town = Manifest.read(demo / "town" / "clear" / "manifest.parquet")
        self.train, self.judges = (_part(self.town, split) for split in ("train", "val"))
        self.config: RunConfig = load_config(HEAD, {}, demo / "town" / "clear" / "manifest.parquet")
        torch.manual_seed(0)
        self.encoder = self.network().eval()

    def network(self) -> FrozenNetwork:
        return build_frozen_network(self.config.section.network, 19)

    @cached_property
    def taught(self) -> Kept:
        return self._kept(self.train, range(len(self.train)), (False, True))

    @cached_property
    def judged(self) -> Kept:
        rows = evenly_spaced(range(len(self.judges)), self.config.evaluate.limit or len(self.judges))
        return self._kept(self.judges, rows, (False,))

    @torch.no_grad()
    def _kept(self, manifest: Manifest, rows: Iterable[int], mirrored: Sequence[bool]) -> Kept:
        features, labels = {}, {}
        for row in rows:
            frame = working_frame(manifest, row, 192)
            labels[row] = torch.from_numpy(read_label(manifest.path(row, "label")).copy())
            for flip in mirrored:
                maps = self.encoder.encode((frame.flip(-1) if flip else frame)[None])
                features[row, flip] = [values[0] for values in maps]
        return Kept(features, labels)

    @cached_property
    def flows(self) -> dict[tuple[int, int], tuple[Tensor, Tensor]]:
        """Between neighbouring training frames, there and back."""
        flow = DenseFlow()
        grey = [frame.float().mean(0).round().byte().numpy() for frame in self.frames]
        pairs = [
            pair
            for pair in itertools.pairwise(range(len(self.train)))
            if len({self.train[row].sequence for row in pair}) == 1
        ]
        return {(a, b): (flow(grey[a], grey[b]), flow(grey[b], grey[a])) for a, b in pairs}

    @cached_property
    def frames(self) -> list[Tensor]:
        return [working_pixels(self.train, row, 192) for row in range(len(self.train))]

    def lesson(self, variant: str, seed: int) -> Lesson:
        """What a head learns from."""
        if variant.startswith("random"):
            rows = labelled_subset(self.train, COUNT, seed).rows
        else:
            rows = listed_rows(self.train, self.demo / "selection" / "selection.json")[:COUNT]
        own: Lesson = {row: (self.taught.labels[row], None) for row in rows}
        if not variant.endswith("carried"):
            return own
        return own | (self.by_flow(rows) if variant.startswith("random") else self.stored())

    def stored(self) -> Lesson:
        """The labels that the demo carried."""
        found: Lesson = {}
        manifest = _part(Manifest.read(self.demo / "carried.parquet"), "train")
        for row, frame in enumerate(manifest):
            if frame.label_origin == "carried":
                sure = read_confidence(manifest.path(row, "label_confidence"), (frame.height, frame.width))
                label = read_label(manifest.path(row, "label"))
                found[row] = torch.from_numpy(label.copy()), torch.from_numpy(np.array(sure))
        return found

    def by_flow(self, rows: Sequence[int]) -> Lesson:
        """Labels of rows as ``vergence labels propagate --motion flow`` carries them."""
        keys = set(rows)
        closed = [
            row if place in keys else replace(row, label="", label_space="") for place, row in enumerate(self.train)
        ]
        given = Manifest(closed, self.train.root)
        arrived: dict[int, Carried] = {}
        for segment in segments(given, SECONDS):
            chain = segment.chain
            pairs = [self.flows[pair] for pair in itertools.pairwise(chain)]
            times = [seconds_between(given, chain[0], row) for row in chain]
            labels = [self.taught.labels[row] if row in keys else None for row in chain]
            frames = [self.frames[row] for row in chain]
            piece = Piece(frames, times, labels, pairs, 19, keys=segment.ends)
            arrived |= {chain[place]: found for place, found in carry(piece).carried.items()}
        score = np.concatenate([found.score.numpy().ravel() for found in arrived.values()])
        least = np.quantile(score, 1 - KEEP)
        lesson: Lesson = {}
        for row, found in arrived.items():
            label = found.label.clone()
            label[found.score < float(least)] = 255
            sure = (probability(found.score) * 255).round().byte()
            lesson[row] = label, torch.where(label == 255, 0, sure).byte()
        return lesson

    def learned(self, lesson: Lesson, seed: int) -> FrozenNetwork:
        """A head after the recipe's steps."""
        torch.manual_seed(seed)
        network, rng = self.network(), np.random.default_rng(seed)
        config, steps = self.config, self.config.train.steps
        optimizer = build_optimizer(config.optim, [{"name": "head", "params": list(network.head.parameters())}])
        order = _endless(list(lesson), rng)
        for step in range(steps):
            rows = [next(order) for _ in range(int(config.frames.batch_size))]
            flips = rng.random(len(rows)) < config.frames.options.flip
            drawn = list(zip(rows, (bool(flip) for flip in flips), strict=True))
            maps = [torch.stack(level) for level in zip(*(self.taught.features[key] for key in drawn), strict=True)]
            batch = _batch(lesson, drawn)
            logits = network.decode(maps, (96, 192))
            losses = segmentation_losses({"logits": logits}, batch, config.section.class_balance)
            set_learning_rates(optimizer, config.optim, steps, step)
            optimizer.zero_grad()
            losses["segmentation"].backward()
            optimizer.step()
        return network.eval()

    @torch.no_grad()
    def scored(self, network: FrozenNetwork) -> dict[str, float]:
        confusion = torch.zeros(19, 19, dtype=torch.int64)
        for (row, _), maps in self.judged.features.items():
            logits = network.decode([values[None] for values in maps], (96, 192))
            confusion += confusion_matrix(logits.argmax(1), self.judged.labels[row][None].long(), 19)
        found = scores(confusion, [k for k in range(19) if int(confusion[k].sum())])
        return {"miou": float(found["miou"]), "pixel_accuracy": float(found["pixel_accuracy"])}


def _part(manifest: Manifest, split: str) -> Manifest:
    chosen = manifest.select(split)
    return Manifest(list(chosen), chosen.root, chosen.name)


def _endless(rows: list[int], rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from (rows[place] for place in rng.permutation(len(rows)))


def _batch(lesson: Lesson, drawn: Sequence[tuple[int, bool]]) -> Any:
    """Labels and confidence of frames, mirrored where these are."""
    labels = [lesson[row][0].flip(-1) if flip else lesson[row][0] for row, flip in drawn]
    batch = {"label": torch.stack(labels).long()}
    if any(sure is not None for _, sure in lesson.values()):
        by_hand = torch.full((96, 192), 255, dtype=torch.uint8)
        sures = [(by_hand if (sure := lesson[row][1]) is None else sure, flip) for row, flip in drawn]
        batch["label_confidence"] = torch.stack([sure.flip(-1) if flip else sure for sure, flip in sures])
    return batch


def gains(rows: Sequence[Mapping[str, Any]], better: str, worse: str, metric: str) -> list[float]:
    """Differences in points, seed by seed."""
    numbers = {(row["variant"], str(row["seed"])): float(row[metric]) for row in rows}
    seeds = sorted({seed for _, seed in numbers}, key=int)
    pairs = [(numbers.get((better, seed)), numbers.get((worse, seed))) for seed in seeds]
    return [100 * (one - other) for one, other in pairs if one is not None and other is not None]


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the demo's page says about the spread."""
    parts = []
    for metric, name in (("miou", "mIoU"), ("pixel_accuracy", "pixels right")):
        found = interval(gains(rows, "reach, carried", "random", metric))
        parts.append(
            f"{found.mean:+.1f} points of {name} (95 % interval {found.low:+.1f} to {found.high:+.1f}, worst "
            f"{min(found.values):+.1f})"
        )
    numbers = gains(rows, "reach, carried", "random", "miou")
    sentences = [f"Over {len(numbers)} draws of the random frames the gain is {' and '.join(parts)}."]
    for name, variant in (
        ("Carrying the labels of the random frames", "random, carried"),
        ("Choosing by reach", "reach"),
    ):
        if values := gains(rows, variant, "random", "miou"):
            sentences.append(f"{name} alone gives {statistics.fmean(values):+.1f} points of mIoU.")
    return " ".join(sentences)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="folder of a finished demo")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    study = Study(options.demo)
    for seed, variant in itertools.product(range(options.seeds), options.variants):
        if any((row["variant"], row["seed"]) == (variant, str(seed)) for row in read_rows(RESULTS)):
            continue
        begin = time.process_time()
        numbers = study.scored(study.learned(study.lesson(variant, seed), seed))
        row = {
            "study": "demo",
            "variant": variant,
            "seed": seed,
            "labels": COUNT,
            "steps": study.config.train.steps,
            **{name: round(value, 5) for name, value in numbers.items()},
            "protocol": f"toy town of the demo, {len(study.judged.labels)} frames of other streets",
            "seconds": round(time.process_time() - begin, 1),
            "device": device_name(),
            "vergence": __version__,
            "commit": commit(),
        }
        write_rows(RESULTS, [row], KEYS)
        print(row["variant"], seed, numbers, flush=True)
    print(told(read_rows(RESULTS)))


if __name__ == "__main__":
    main()
