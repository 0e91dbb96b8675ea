"""Do rounds of depth and semantics gain anything over as much training without exchange?"""

import argparse
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from benchmarks.claims.carried_labels import KeptFlow
from benchmarks.claims.claim import Claim, Comparison, Numbers
from benchmarks.claims.lab import Lab
from benchmarks.claims.recipes import class_numbers
from benchmarks.studies.common import read_rows
from benchmarks.studies.flywheel import turned
from vergence.data.manifest import Manifest
from vergence.flywheel.folder import JUDGED, Round
from vergence.flywheel.gate import apart, doubt_of
from vergence.flywheel.measures import classes_by_video, depth_by_video
from vergence.flywheel.settings import FlywheelConfig, load_flywheel
from vergence.flywheel.trainings import depth_learned_with, held_back, kept_before
from vergence.runs.folder import RunFolder

ROUNDS, LABELS, STEPS, CLASSES, SCORED = 4, 10, 60, 150, 80
METRICS = {"depth": ("abs_rel",), "segmentation": ("miou", "pixel_accuracy")}


def run(lab: Lab, variant: str, seed: int) -> Numbers:
    """Four rounds; the control trains as many steps in each without exchange, from the same first round."""
    options = argparse.Namespace(
        out=lab.out / "runs" / "flywheel", frames=lab.town, start=lab.depth, rounds=ROUNDS, labels=LABELS, steps=STEPS,
        classes=CLASSES, limit=SCORED, gate=True,
    )  # fmt: skip
    with kept_flow():
        exchange = turned(options, seed, exchange=True)
        folder = exchange if variant == "exchange" else turned(options, seed, exchange=False)
        wheel = load_flywheel(RunFolder(folder).recipe).flywheel
        rounds = [Round(folder, number) for number in range(wheel.rounds)]
        data = Manifest.read(folder / "data.parquet")
        numbers = numbers_of(read_rows(folder / "flywheel.csv")) | verdicts_by_video(wheel, rounds, data)
        result = kept_before(rounds, len(rounds), "segmentation").segmentation
        classes = class_numbers(result, apart(wheel, data).scored, SCORED)
    if variant != "exchange":
        shutil.rmtree(folder)
        shutil.rmtree(exchange)
    return numbers | {name: value for name, value in classes.items() if name.startswith("iou ")}


@contextmanager
def kept_flow() -> Iterator[None]:
    """Optical flow between two frames is computed once for all rounds and seeds: they share the town."""
    with ExitStack() as stack:
        for module in ("propagation.video_motion", "selection.video_reach"):
            stack.enter_context(patch(f"vergence.{module}.DenseFlow", KeptFlow))
        yield


def numbers_of(rows: Sequence[Mapping[str, str]]) -> Numbers:
    """Scores of each round and whether it was kept (1, or 0), and those of the last kept one: what a user gets."""
    numbers: Numbers = {}
    for task, names in METRICS.items():
        mine = sorted((row for row in rows if row["run"] == row["task"] == task), key=lambda row: int(row["round"]))
        for row in mine:
            kept = row["kept"] == "True"
            numbers[f"{task} kept round {row['round']}"] = float(kept)
            scores = {name: float(row[name]) for name in names}
            numbers |= {f"{name} round {row['round']}": value for name, value in scores.items()}
            if kept:
                numbers |= scores
    return numbers


def verdicts_by_video(wheel: FlywheelConfig, rounds: Sequence[Round], data: Manifest) -> Numbers:
    """Whether the gate would have kept each later round (1, or 0) had it only video, beside the same kept one."""
    held, gate, found = held_back(wheel, data), wheel.gate, Numbers()
    for one in rounds[1:]:
        depth, classes = (kept_before(rounds, one.number, task) for task in JUDGED)
        runs, helper = (depth.depth, one.depth), depth_learned_with(rounds, classes.number).depth
        measures = {
            "depth": (depth, depth_by_video(runs, held, gate.frames, "cpu")),
            "segmentation": (classes, classes_by_video(classes, one, helper, gate.frames, "cpu")),
        }
        for task, (base, measure) in measures.items():
            if measure is not None:
                worse = measure.worse(gate.margin, doubt_of(gate, base, one, task))
                found[f"{task} by video round {one.number}"] = float(not worse)
    return found


CLAIM = Claim(
    name="flywheel",
    says="Rounds in which depth and semantics hand on what they know gain more than as much training without exchange.",
    setup=f"""Toy town: {ROUNDS} rounds, {LABELS} more labels in each, chosen by reach and carried one second each way;
    later rounds begin warm, and depth and segmentation of each are judged by the labels of 40 frames set aside: depth
    is kept if it is better by more than one standard error, segmentation, which has new labels, unless it is worse by
    more than one. Depth goes on from a depth run of 400 steps (stereo) by {STEPS} steps a round, segmentation by
    {CLASSES}; hints are looked for at half the size. The control starts from the same first round, hands nothing on and
    has the same choice, labels and gate. Scored is the last kept depth and segmentation, on {SCORED} frames of streets
    that no training has seen and the gate has not looked at. Optical flow is computed once for all seeds. Whether what
    is kept is truly not worse is counted in docs/results.md.""",
    variants=("exchange", "no exchange"),
    comparisons=(
        Comparison("exchange", "no exchange"),
        Comparison("exchange", "no exchange", "abs_rel", lower=True),
        Comparison("exchange", "no exchange", "pixel_accuracy"),
    ),
    deciding=2,
    seeds=8,
    run=run,
    seconds=850,
    preparation=550,
)
