"""How many frames must judge a round of depth, and how sure must they be, for what is kept to be truly no worse?

    python -m benchmarks.studies.gate_frames --frames TOWN --start DEPTH_RUN --out runs/gate_frames

Trainings as short as a flywheel's round go on from one depth run, with different seeds; their depth is scored frame by
frame on other streets. Then each is compared with each other one and with the start, as a gate would: some of the
frames judge, evenly spaced, and the rest say what is true. A study that is stopped goes on where it was.
"""

import argparse
import itertools
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.studies.common import commit, device_name, image_rows, trained, write_rows
from benchmarks.studies.three_ways import overrides
from vergence import __version__
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.flywheel.measures import paired

RESULTS = Path(__file__).parent / "results"
COUNTS, DOUBTS = (10, 20, 40, 80), (1.0, 0.0, -0.5, -1.0)
SHIFTS = 4
"""Choices of frames that are tried for each number of them."""


def scored(run: Path, options: argparse.Namespace, file: Path) -> Tensor:
    """abs_rel of each frame, from a file that the first call makes."""
    if not file.is_file():
        scoring = Scoring("plain", baselines=False, limit=options.limit)
        evaluate(run, options.frames, scoring, json=file.with_suffix(".json"), per_image=True)
    return torch.tensor([float(row["abs_rel"]) for row in image_rows(file)], dtype=torch.float64)


def candidate(options: argparse.Namespace, seed: int) -> Tensor:
    """Errors of a training that goes on from the start."""
    run, file = options.out / f"run-{seed}", options.out / f"c{seed}.csv"
    if not file.is_file():
        words = overrides(
            train__seed=seed, train__steps=options.steps, train__evaluate_every=0, train__keep=1, frames__workers=0,
            frames__options__offsets='["s"]', optim__lr=2e-4, depth__initialize_from=options.start.absolute(),
            frames__batch_size=4, train__checkpoint_every=10_000,
        )  # fmt: skip
        trained("depth-toytown-demo", words, options.frames, run)
        scored(run, options, file)
        shutil.rmtree(run)
    return scored(run, options, file)


def counted(errors: Tensor, frames: int, doubt: float, within: float = 0.01) -> dict[str, Any]:
    """What a gate of so many frames keeps of all pairs of trainings, and how much of it is no worse on the others.

    Args:
        errors: (R, N) of R trainings on N frames.
        within: share by which "nearly no worse" may be worse.
    """
    total = kept = right = nearly = 0
    for shift in range(SHIFTS):
        places = ((torch.arange(frames) + (shift + 0.5) / SHIFTS) * errors.shape[1] / frames).long()
        judging = torch.zeros(errors.shape[1], dtype=torch.bool).index_fill_(0, places, True)
        for before, now in itertools.permutations(errors, 2):
            total += 1
            if paired("abs_rel", "", before[judging], now[judging], False).worse(0.0, doubt):
                continue
            was, loss = before[~judging].mean(), (now - before)[~judging].mean()
            kept, right, nearly = kept + 1, right + int(loss <= 0), nearly + int(loss <= within * was)
    shares = {"kept": kept / total, "kept and not worse": right / max(kept, 1), "nearly": nearly / max(kept, 1)}
    return {name: round(value, 3) for name, value in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="toy town")
    parser.add_argument("--start", type=Path, required=True, help="depth run that learned from stereo")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trainings", type=int, default=14)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--limit", type=int, default=240, help="frames of other streets that are scored")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    start = scored(options.start, options, options.out / "base.csv")
    errors = torch.stack([start, *(candidate(options, seed) for seed in range(options.trainings))])
    stamp = {"trainings": options.trainings, "steps": options.steps, "scored": errors.shape[1],
             "device": device_name(), "vergence": __version__, "commit": commit()}  # fmt: skip
    rows = [
        {"frames": frames, "doubt": doubt, **counted(errors, frames, doubt), **stamp}
        for frames, doubt in itertools.product(COUNTS, DOUBTS)
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    write_rows(RESULTS / "gate_frames.csv", rows, ("frames", "doubt"))


if __name__ == "__main__":
    main()
