"""Real-size trainings in the minutes that are left: depth on real and on rendered video, and claims side by side."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.claims import corda, depth_start, mixing, semhint, state
from benchmarks.claims.claim import Claim, Comparison, Numbers, verdict
from benchmarks.claims.lab import Lab
from benchmarks.claims.real_depth import SCORING, Stage, manifests
from benchmarks.claims.recipes import RecipeRun, finished, segmented
from benchmarks.claims.side_by_side import complete
from benchmarks.gpu.checks import Row
from benchmarks.studies.three_ways import overrides
from vergence import api
from vergence.data.toytown import TownOptions, write_toytown
from vergence.evaluation.evaluate import Scoring, evaluate
from vergence.runs.config import load_config
from vergence.training.callbacks import Callbacks
from vergence.training.train import train

SIDE_BY_SIDE = (depth_start.TUNED, mixing.CLAIM, corda.CLAIM, semhint.CLAIM)
"""Claims whose runs train whole networks."""
LEAST = 60.0
"""Seconds without which no training begins."""
TRIAL, FEWEST = 60, 100
"""Steps that are timed, and without how many a training shows nothing."""
MARGIN = 0.8
"""Share of the time that steps are planned for; the rest is scoring, and what the trial did not see."""


@dataclass(frozen=True)
class Training:
    """Depth to be learned in as many steps as there is time for, and what judges it."""

    run: RecipeRun
    most: int
    """Steps that a longer time is not spent on."""
    judge: Path
    scoring: Scoring
    split: str
    trial: int = TRIAL
    fewest: int = FEWEST


def real_depth(lab: Lab, small: dict[str, Path] | None) -> Training:
    """The claim's recipe and protocol at its full size, on the clips that may teach."""
    if not (lab.data / "protocol.json").is_file():
        raise FileNotFoundError("no real clips: --data has no protocol.json")
    lab.out.mkdir(parents=True, exist_ok=True)
    video, judge = manifests(lab)
    stage = Stage("real", 20_000, 192, 640, 0) if small is None else Stage("dry", 2, 64, 96, 0)
    training = Training(stage.recipe(video), stage.steps, judge, SCORING, "test")
    return training if small is None else dry(training)


def town_depth(lab: Lab, small: dict[str, Path] | None) -> Training:
    """Video and stereo of rendered streets."""
    height, width = (128, 416) if small is None else (64, 96)
    town = small["clear"] if small else write_toytown(lab.out / "town-416x128", TownOptions(width=width, height=height))
    words = overrides(
        frames__options__height=height, frames__options__width=width, frames__options__offsets='[-1, 1, "s"]'
    )
    training = Training(RecipeRun("depth-toytown-demo", words, town), 2_400, town, Scoring("plain"), "val")
    return training if small is None else dry(training)


def dry(training: Training) -> Training:
    """Two steps with batches of two, one picture judges."""
    words = [*training.run.words, *overrides(frames__batch_size=2, frames__workers=0)]
    scoring = replace(training.scoring, limit=1)
    return replace(training, run=replace(training.run, words=words), most=2, scoring=scoring, trial=4, fewest=1)


Maker = Callable[[Lab, dict[str, Path] | None], Training]
DEPTH: dict[str, tuple[Maker, float]] = {
    "real-depth-640x192": (real_depth, 0.5),
    "town-depth-416x128": (town_depth, 0.5),
}
"""What is trained, and the share of the time left that it takes."""


def learn_depth(name: str, training: Training, out: Path, device: str, until: float) -> Iterator[Row]:
    """Train until about ``until`` of ``time.monotonic``, and score beside the input-free map.

    Scores go to ``out``/NAME.json and .csv (a row a picture), pictures of some to ``out``/NAME-pictures.
    """
    row = {"part": "depth", "name": name}
    begun, folder, result = time.monotonic(), out / "runs" / name, out / f"{name}.json"
    if result.is_file():
        yield row | {"note": f"there already: {result.name}"}
        return
    words = [*overrides(frames__workers="auto", train__device=device), *training.run.words]
    if (folder / "recipe.yaml").is_file():  # goes on
        steps = load_config(folder / "recipe.yaml").train.steps
    else:
        start, each = pace(replace(training.run, words=words), training.trial, out / "runs" / f"{name}-trial")
        left = until - time.monotonic() - start
        steps = min(training.most, int(MARGIN * left / each))
        note = f"of {training.trial}; {start:.0f} s before the first"
        yield row | {"variant": "pace", "value": f"{1 / each:.2f}", "unit": "steps/s", "note": note}
        if steps < training.fewest:
            yield row | {"note": f"not run: {max(left, 0) / 60:.1f} minutes left, {max(steps, 0)} steps"}
            return
    run = replace(training.run, words=[*words, *overrides(train__steps=steps)])
    finished(folder, run, seed=0)
    found = evaluate(folder, training.judge, training.scoring, training.split, json=result, per_image=True,
                     device=device)  # fmt: skip
    note = f"{steps} steps, {found['images']} images, {(time.monotonic() - begun) / 60:.1f} minutes in all"
    yield from scores(row, found["rows"], note)
    api.predict(folder, training.judge, out / f"{name}-pictures", depth=False, limit=4, split=training.split,
                device=device, overwrite=True)  # fmt: skip


def pace(run: RecipeRun, steps: int, folder: Path) -> tuple[float, float]:
    """Seconds before the first step, and of a step, by the second half of a few."""
    shutil.rmtree(folder, ignore_errors=True)  # of a trial that was killed
    folder.parent.mkdir(parents=True, exist_ok=True)
    times = [time.perf_counter()]
    words = [*run.words, *overrides(train__steps=steps, train__evaluate_every=0)]
    timer = Callbacks(step=lambda *_: times.append(time.perf_counter()))
    train(load_config(run.recipe, words, run.data), folder, callbacks=timer)
    shutil.rmtree(folder)
    half = steps // 2
    each = (times[-1] - times[half]) / (steps - half)
    return max(0.0, times[half] - times[0] - half * each), each


def scores(row: Row, found: Sequence[dict[str, Any]], note: str) -> Iterator[Row]:
    """A row a predictor, with its error relative to the input-free map's."""
    free = next((float(one["abs_rel"]) for one in found if one["name"] == "input_free"), None)
    for one in found:
        rest = f"rmse {float(one['rmse']):.3f}, a1 {float(one['a1']):.4f}, {note}"
        ratio = f"{float(one['abs_rel']) / free:.3f}" if free else ""
        yield row | {"variant": one["name"], "value": f"{float(one['abs_rel']):.4f}", "unit": "abs_rel",
                     "ratio": ratio, "note": rest}  # fmt: skip


def claims_of(names: Sequence[str], small: bool) -> list[Claim]:
    """Claims by name; to try the script, one of two short runs."""
    return [TINY] if small else [claim for claim in SIDE_BY_SIDE if claim.name in names]


def run_claim(claim: Claim, lab: Lab, results: Path, processes: int, until: float) -> Iterator[Row]:
    """Runs of a claim until time is up, into ``results``/CLAIM.csv; a row of how many there are."""
    row, begun = {"part": "claim", "name": claim.name, "unit": "runs"}, time.monotonic()
    ended = list(complete(claim, lab, results, processes, until))
    rows, minutes = state.rows_of(claim, results), (time.monotonic() - begun) / 60
    for outcome in ended:
        if outcome.failed:
            yield row | {"variant": f"{outcome.variant}, seed {outcome.seed}", "note": f"FAILED: {outcome.failed}"}
    note = f"{len(ended)} now in {minutes:.1f} minutes, {processes} at a time on {os.cpu_count()} cores"
    if (left := len(state.missing(claim, results))) and time.monotonic() >= until:
        note += f"; not run: {left}, 0.0 minutes left"
    yield row | {"value": len(rows), "variant": verdict(claim, rows), "note": note}


def _short(lab: Lab, variant: str, seed: int) -> Numbers:
    words = overrides(
        train__steps=2, frames__batch_size=2, frames__options__height=64, frames__options__width=96,
        frames__options__random_crop="null", frames__labelled__count=int(variant),
    )  # fmt: skip
    run = RecipeRun("supervised-toytown-tiny", words, lab.town)
    return segmented(lab.run(f"short-{variant}-{seed}"), run, seed, limit=1)


TINY = Claim(
    name="dry", says="The script can be tried.", setup="Two steps.", variants=("2", "4"),
    comparisons=(Comparison("4", "2"),), seeds=1, run=_short, seconds=5,
)  # fmt: skip
