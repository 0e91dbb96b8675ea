"""Whether a round is kept: compared with the last kept one on frames set aside, or by video without labels."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from vergence.data.atomic import write_text
from vergence.data.dataset import FrameDataset
from vergence.data.loading import collate, prepare_batch
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.evaluate import Scoring, evaluate_run
from vergence.flywheel.carried import AGREEMENT, carried_labels
from vergence.flywheel.folder import Round
from vergence.flywheel.settings import FlywheelConfig, GateConfig
from vergence.flywheel.trainings import held_back, kept_before, trained_apart
from vergence.inference.inputs import evenly_spaced, has_label, has_truth
from vergence.runs.checkpoint import LoadedRun, load_run
from vergence.runs.folder import find_checkpoint

_log = logging.getLogger("vergence")


@dataclass(frozen=True)
class Measure:
    """One number of a round and of the last kept one before it, on the same frames."""

    task: str
    name: str
    on: str
    """What it was measured on, in words."""
    before: float
    now: float
    higher: bool
    """Whether more is better."""

    def worse(self, margin: float) -> bool:
        """Whether it is worse by more than this share of what it was."""
        loss = self.before - self.now if self.higher else self.now - self.before
        return not loss <= margin * abs(self.before)  # what is no number is worse

    def text(self) -> str:
        return f"{self.name} {self.now:.4g}, was {self.before:.4g} ({self.on})"


@dataclass(frozen=True)
class Apart:
    """Held-back frames in two: those that judge rounds, and those that are scored, so that no score was chosen by."""

    judging: Manifest
    scored: Manifest


def apart(config: FlywheelConfig, data: Manifest) -> Apart:
    """Set frames aside: evenly spaced of the held-back ones with truth, at most half of them.

    Where rounds are judged by video alone nothing is set aside: no truth is looked at.

    Raises:
        InputError: labels are to judge and no two held-back frames that nobody trains on have any.
    """
    held, gate = held_back(config, data), config.gate
    if gate.by in ("none", "video"):
        return Apart(held, held)
    known = [row for row in range(len(held)) if has_label(held, row)] if trained_apart(config, data) else []
    count = min(gate.frames, len(known) // 2)
    if not count:
        if gate.by == "labels":
            raise InputError(
                "flywheel.gate.by is labels, and no two frames of the evaluation split have one; label some, or set "
                "flywheel.gate.by to video."
            )
        return Apart(held, held)
    images = {held[row].image for row in evenly_spaced(known, count)}
    return Apart(
        held.select(predicate=lambda row: row.image in images),
        held.select(predicate=lambda row: row.image not in images),
    )


def by_labels(config: FlywheelConfig, frames: Apart) -> bool:
    """Whether frames were set aside to judge by their labels."""
    return config.gate.by in ("auto", "labels") and frames.judging is not frames.scored


def judge(config: FlywheelConfig, rounds: list[Round], number: int, frames: Apart, device: str) -> bool:
    """Decide whether a round is kept, and write it into the round's folder; whether there was anything to do."""
    one, gate = rounds[number], config.gate
    if number == 0 or gate.by == "none":
        there = one.verdict_file.is_file()
        one.verdict_file.unlink(missing_ok=True)
        return there
    base = kept_before(rounds, number)
    asked = {
        **asdict(gate),
        "against": base.number,
        "frames": frames.judging.digest(),
        "weights": [find_checkpoint(run).identity() for each in (base, one) for run in (each.depth, each.segmentation)],
    }
    if one.verdict().get("asked") == asked:
        return False
    measures = list(_measures(gate, frames, by_labels(config, frames), (base, one), device))
    worse = [measure for measure in measures if measure.worse(gate.margin)]
    verdict = {
        "kept": not worse,
        "against": base.number,
        "because": "; ".join(measure.text() for measure in worse or measures) or "there is nothing to judge it by",
        "measures": [asdict(measure) for measure in measures],
        "asked": asked,
    }
    write_text(one.verdict_file, json.dumps(verdict, indent=1) + "\n")
    if not measures:
        _log.warning("round %d is kept unjudged: give the split of evaluation labels, or video", number)
    last = number == len(rounds) - 1
    onwards = f"; {'the result is' if last else 'the next starts from'} round {base.number}" if worse else ""
    _log.info("round %d is %skept: %s%s", number, "not " if worse else "", verdict["because"], onwards)
    return True


def _measures(
    gate: GateConfig, frames: Apart, labels: bool, pair: tuple[Round, Round], device: str
) -> Iterator[Measure]:
    """Depth and segmentation of both rounds, each by truth where that was set aside, else by video."""
    depths = [load_run(one.depth, device) for one in pair]
    measured = labels and any(has_truth(frames.judging, row) for row in range(len(frames.judging)))
    if measured:
        on = "measured depth of frames set aside"
        yield _compared("depth", "abs_rel", on, depths, False, lambda run: _scored(run, frames.judging, "depth"))
    elif rows := _moving(depths, frames.judging, gate.frames):
        masked = all(run.config.section.loss.automask for run in depths)
        on = f"held-back video, {len(rows)} frames"
        yield _compared(
            "depth", "photometric error", on, depths, False,
            lambda run: photometric_error(run, frames.judging, rows, masked),
        )  # fmt: skip
    classes = [load_run(one.segmentation, device) for one in pair]
    judging, on = frames.judging, f"labels of {len(frames.judging)} frames set aside"
    if not labels:
        try:
            judging, on = _agreement(gate, pair, device), "labels carried through video"
        except InputError as error:
            _log.warning("segmentation of round %d is not judged: %s", pair[1].number, error)
            return
    yield _compared("segmentation", "miou", on, classes, True, lambda run: _scored(run, judging, "segmentation"))


def _compared(
    task: str, name: str, on: str, runs: list[LoadedRun], higher: bool, value: Callable[[LoadedRun], float]
) -> Measure:
    before, now = (value(run) for run in runs)
    return Measure(task, name, on, before, now, higher)


def _scored(run: LoadedRun, frames: Manifest, task: str) -> float:
    result = evaluate_run(run, frames, Scoring(baselines=False, odometry=False))
    rows = result["rows"] if task == "depth" else result["segmentation"]["rows"]
    row = next(row for row in rows if row["name"] == "trained")
    return float(row["abs_rel" if task == "depth" else "miou"])


def _dataset(run: LoadedRun, frames: Manifest) -> FrameDataset:
    options = replace(run.config.frames.options, load_label=False, load_depth=False, random_crop=None, require="any")
    return FrameDataset(frames, options, train=False)


def _moving(runs: list[LoadedRun], frames: Manifest, count: int) -> list[int]:
    """Frames with a neighbour, evenly spaced; none where the runs look at other neighbours: their errors differ."""
    offsets, others = (run.config.frames.options.offsets for run in runs)
    if offsets != others:
        return []
    rows = [row for row in range(len(frames)) if any(frames.has_source(row, offset) for offset in offsets)]
    return evenly_spaced(rows, count)


@torch.no_grad()
def photometric_error(run: LoadedRun, frames: Manifest, rows: list[int], masked: bool = True) -> float:
    """Mean photometric error left when neighbours are warped onto frames by depth and motion of a run.

    Args:
        masked: no pixel counts for more than its unmoved neighbour's error (the run masks by it in training): what
            moves along no depth explains.
    """
    dataset, method, errors = _dataset(run, frames), run.method, []
    diagnose: Any = method.diagnose
    training = method.training
    method.eval()
    try:
        for row in rows:
            batch = prepare_batch(collate([dataset[dataset.rows.index(row)]]), run.device)
            maps = diagnose(batch)
            error = torch.minimum(maps["error"], maps["identity_error"]) if masked else maps["error"]
            errors.append(float(error.double().mean()))
    finally:
        method.train(training)
    return sum(errors) / len(errors)


def _agreement(gate: GateConfig, pair: tuple[Round, Round], device: str) -> Manifest:
    """Frames that nobody labelled, with the labels carried to them that both rounds knew, to be compared with."""
    base, one = pair
    carried = Manifest.read(carried_labels(base, AGREEMENT, base.agreement, device))
    labelled = set(one.chosen())
    rows = [row.image for row in carried if row.label and not row.judges and row.image not in labelled]
    if not rows:
        raise InputError(f"no label of round {base.number} could be carried to another frame.")
    chosen = set(evenly_spaced(rows, gate.frames))
    return carried.select(predicate=lambda row: row.image in chosen).changed(
        lambda row: replace(row, label_origin="") if row.image in chosen else row
    )
