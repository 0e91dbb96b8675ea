"""Which criterion chooses the frames whose labels, carried through video, give most right pixels? No training.

    python -m benchmarks.studies.reach --data camvid --camvid ../shared/data/camvid
    python -m benchmarks.studies.reach --data toytown --out DIR

CamVid: the 101 frames of val (15 Hz, even driving). Toy town: streets that no training has seen, each of which begins
with a halt of another length (none, 30, 70 or 110 frames in which the car moves a tenth as fast), so that 60 % of the
frames are standing traffic. So many frames are chosen by each criterion, their labels alone are kept and carried up to
two seconds each way by flow, as ``vergence labels propagate --keep 1`` does, and all pixels of all frames are scored:
``pixels_right`` is the share of all labelled pixels that have the right label, where a pixel without a label counts as
wrong. What is random has 20 seeds; a 95 % interval (t) of the mean and the best and worst seed stand beside it.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.studies.propagation import with_keys
from vergence.data.label_pictures import read_label
from vergence.data.labels import label_space
from vergence.data.manifest import Manifest
from vergence.inference.inputs import resize_label
from vergence.motion.flow import DenseFlow
from vergence.propagation.carry import Piece, carry
from vergence.propagation.segments import seconds_between, segments
from vergence.propagation.video_motion import working_frame

RESULTS = Path(__file__).parent / "results"
SECONDS, WIDTH, SEEDS = 2.0, 240, 20
COUNTS = {"camvid": (3, 5, 7), "toytown": (6, 12)}
HALTS = (0, 30, 70, 110)
STREETS, STANDING_FPS = 8, 100.0
IGNORED = 255
T_975 = 2.093
"""Student's t of 19 degrees of freedom."""
KEYS = ("set", "criterion", "labels", "seed")


class Scorer:
    """Right pixels of a labelled video of which some frames keep their label; flows are computed once, and kept."""

    def __init__(self, truth: Manifest, kept: Path) -> None:
        self.truth, self.classes = truth, len(label_space(truth[0].label_space))
        self.frames = [working_frame(truth, row, WIDTH) for row in range(len(truth))]
        self.labels = [torch.from_numpy(read_label(truth.path(row, "label")).copy()) for row in range(len(truth))]
        if not kept.is_file():
            torch.save(self._flows(), kept)
        self.flows = torch.load(kept, weights_only=True)

    def _flows(self) -> dict[str, torch.Tensor]:
        flow, found = DenseFlow(), {}
        order = sorted(range(len(self.truth)), key=lambda row: (self.truth[row].sequence, self.truth[row].position))
        grey = [(frame.mean(0) * 255).round().byte().numpy() for frame in self.frames]
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
            piece = Piece(frames, times, labels, lambda place, pairs=pairs: tuple(pairs[place]), self.classes)
            for place, carried in carry(piece).carried.items():
                yield chain[place], carried.label.numpy()
