"""Whether depth or segmentation of a round is kept: each is compared with the last kept one before it."""

import json
import logging
from dataclasses import asdict, dataclass
from typing import Any

from vergence.data.atomic import write_text
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.evaluation.depth_scores import finite
from vergence.flywheel.folder import JUDGED, Round, inside
from vergence.flywheel.measures import Measure, classes_by_truth, classes_by_video, depth_by_truth, depth_by_video
from vergence.flywheel.settings import FlywheelConfig, GateConfig
from vergence.flywheel.trainings import depth_learned_with, held_back, kept_before, trained_apart
from vergence.inference.inputs import evenly_spaced, has_label
from vergence.runs.config import read_config
from vergence.runs.folder import RunFolder, find_checkpoint

_log = logging.getLogger("vergence")


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


def judge(config: FlywheelConfig, rounds: list[Round], number: int, task: str, frames: Apart, device: str) -> bool:
    """Decide whether a round's depth or segmentation is kept, and write it into the round's folder.

    Depth is judged before anything is made of it; once segmentation has learned with it, that stands.

    Returns:
        Whether there was anything to do.
    """
    one, gate = rounds[number], config.gate
    if number == 0 or gate.by == "none":
        there = one.verdict_file.is_file()
        one.verdict_file.unlink(missing_ok=True)
        return there
    base = kept_before(rounds, number, task)
    asked = {
        **{key: value for key, value in asdict(gate).items() if key != "doubt_with_labels"},
        "doubt": doubt_of(gate, base, one, task),
        "against": base.number,
        "frames": frames.judging.digest(),
        "weights": [find_checkpoint(each.folder / task).identity() for each in (base, one)],
    }
    if _stands(one, task, asked) or (task == "depth" and _learned_with(one)):
        return False
    measure = _measure(gate, frames, rounds, (base, one), task, device)
    kept = measure is None or not measure.worse(gate.margin, asked["doubt"])
    because = "there is nothing to judge it by" if measure is None else measure.text()
    if measure is not None and kept == measure.worse(0.0, 0.0):
        because += f": not surely {'worse' if kept else 'better'}"
    verdict = {
        "kept": kept,
        "against": base.number,
        "because": because,
        "measures": [] if measure is None else [measure.record()],
        "asked": asked,
    }
    others = {name: one.verdict(name) for name in JUDGED if name != task and not one.verdict(name).get("whole")}
    whole = {name: value for name, value in {**others, task: verdict}.items() if value}
    write_text(one.verdict_file, json.dumps(finite(whole), indent=1) + "\n")
    if measure is None:
        text = "%s of round %d is kept unjudged: give the split of evaluation labels, or video"
        _log.warning(text, task, number)
    else:
        onwards = "" if kept else f"; that of round {base.number} goes on"
        _log.info("round %d: %s is %skept: %s%s", number, task, "" if kept else "not ", verdict["because"], onwards)
    return True


def doubt_of(gate: GateConfig, base: Round, one: Round, task: str) -> float:
    """By how many standard errors a round's task may be worse than the kept one: more where new labels speak for it."""
    more = task == "segmentation" and len(one.chosen()) > len(base.chosen())
    return gate.doubt_with_labels if more else gate.doubt


def _stands(one: Round, task: str, asked: dict[str, Any]) -> bool:
    """Whether a verdict answers what is asked now; one of a whole round, of earlier versions, knew fewer settings."""
    verdict = one.verdict(task)
    before = verdict.get("asked")
    if not isinstance(before, dict) or not verdict.get("whole"):
        return bool(before == asked)
    weights = before.get("weights", [])[JUDGED.index(task) :: len(JUDGED)]
    shared = {key: value for key, value in asked.items() if key in before}
    return bool(before | {"weights": weights} == shared)


def _learned_with(one: Round) -> bool:
    """Whether the round's segmentation has begun with what is known of its depth."""
    run = RunFolder(one.segmentation)
    if not run.has_recipe:
        return False
    section = read_config(run.recipe).section
    used = [inside(getattr(section, name, None)) for name in ("depth", "initialize_from")]
    return bool(one.verdict("depth")) or inside(str(one.depth)) in used


def _measure(
    gate: GateConfig, frames: Apart, rounds: list[Round], pair: tuple[Round, Round], task: str, device: str
) -> Measure | None:
    """A task of both rounds, by truth where that was set aside, else by video; None where there is nothing."""
    base, one = pair
    labels = gate.by in ("auto", "labels") and frames.judging is not frames.scored
    if task == "depth":
        runs = (base.depth, one.depth)
        measure = depth_by_truth(runs, frames.judging, device) if labels else None
        return measure or depth_by_video(runs, frames.judging, gate.frames, device)
    if labels:
        return classes_by_truth((base.segmentation, one.segmentation), frames.judging, device, "labels set aside")
    return classes_by_video(base, one, depth_learned_with(rounds, base.number).depth, gate.frames, device)
