"""Settings of the trainings of a flywheel: what its rounds hand on to one another."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vergence.data.layouts import resolve_input
from vergence.data.manifest import Manifest
from vergence.data.rows.split_rows import has_split, in_split
from vergence.flywheel.folder import JUDGED, Round
from vergence.flywheel.settings import FlywheelConfig, PartConfig, known_keys, method_of
from vergence.runs.config import RunConfig, load_config, read_config
from vergence.training.run_chain import network_of

_log = logging.getLogger("vergence")

_SCHEDULE = ("name", "lr", "weight_decay", "betas", "momentum", "schedule", "milestones", "step_size", "gamma", "power",
             "warmup", "clip")  # fmt: skip
_SEEDS_APART = 100


class Trainings:
    """Settings of every training of a flywheel, each read once."""

    def __init__(self, config: FlywheelConfig, rounds: list[Round]) -> None:
        self.config, self.rounds = config, rounds
        self._known: dict[tuple[str, int], RunConfig] = {}

    def of(self, stage: str, number: int) -> RunConfig:
        """The recipe of "depth" or "segmentation" in a round; the data of that stage must be there."""
        if (stage, number) not in self._known:
            make = self._depth if stage == "depth" else self._segmentation
            self._known[stage, number] = make(number)
        return self._known[stage, number]

    def forget(self) -> None:
        """Read settings again: what later rounds start from has changed."""
        self._known.clear()

    def _depth(self, number: int) -> RunConfig:
        """From video; later from the last kept depth, with noisy labels of the last kept segmentation as hints."""
        config, now = self.config, self.rounds[number]
        data = now.run_folder / "data.parquet"
        if number == 0:
            return self._loaded(config.depth, now, {}, data)
        before, classes = (kept_before(self.rounds, number, task) for task in JUDGED)
        part = config.hinted_depth if config.exchange else config.depth
        method = method_of(part.recipe)
        words = {f"{method}.initialize_from": str(before.depth.absolute())}
        if not config.exchange:
            return self._loaded(part, now, words, data, _effort(config))
        words |= _twin(self.of("depth", 0), method)
        return self._loaded(part, now, words | {f"{method}.labels": str(classes.segmentation.absolute())}, data)

    def _segmentation(self, number: int) -> RunConfig:
        """From the round's labels, the last kept depth, and perhaps the last kept segmentation."""
        now, part = self.rounds[number], self.config.segmentation
        depth = depth_learned_with(self.rounds, number).depth
        method = method_of(part.recipe)
        warm = self.config.warm_start and number > 0
        start = kept_before(self.rounds, number, "segmentation").segmentation if warm else depth
        words = _twin(self.of("depth", 0), method) | {
            f"{method}.initialize_from": str(start.absolute()),
            f"{method}.depth": str(depth.absolute()),
            "frames.labelled.count": None,  # all that are known: the manifest holds no others
            "frames.labelled.file": None,
        }
        data = now.carried if self.config.carry.seconds else now.data
        return self._loaded(part, now, words, data, _gentle(self.config) if warm else None)

    def _loaded(
        self, part: PartConfig, one: Round, words: dict[str, Any], data: Path, fixed: Mapping[str, Any] | None = None
    ) -> RunConfig:
        """The recipe, under what is handed on (where the method has such settings), under what the user says.

        What is ``fixed`` the user cannot change.
        """
        known = known_keys(method_of(part.recipe))
        words = {"train.seed": self.config.seed + _SEEDS_APART * one.number} | words
        handed = {key: value for key, value in words.items() if key in known}
        over = self.config.overrides | part.overrides | dict(fixed or {})
        return load_config(part.recipe, handed | over, data.absolute())


def held_back(config: FlywheelConfig, data: Manifest) -> Manifest:
    """Frames to score on: of the evaluation split of the first depth run, and with both truths where any has both."""
    named, wanted = _judged_by(config)
    manifest = data if named is None else resolve_input(named)
    if trained_apart(config, data):
        manifest = in_split(manifest, wanted, "evaluate.split")
    else:
        _log.warning("%s has no split %r: scores are on frames that were trained on", config.data, wanted)
    both = manifest.select(predicate=lambda row: bool(row.label and (row.depth or row.disparity)))
    return both if len(both) else manifest


def trained_apart(config: FlywheelConfig, data: Manifest) -> bool:
    """Whether the frames to score on are none to train on."""
    named, wanted = _judged_by(config)
    return named is not None or has_split(data, wanted)


def _judged_by(config: FlywheelConfig) -> tuple[str | None, str]:
    """Other data, or None, and their split."""
    settings = asked_settings(config, config.depth)
    assert settings.evaluate.split is not None
    return settings.frames.val, settings.evaluate.split


def kept_before(rounds: Sequence[Round], number: int, task: str) -> Round:
    """The last round before this one whose depth or segmentation is kept; the first is always kept."""
    return next((one for one in reversed(rounds[1:number]) if one.kept(task)), rounds[0])


def depth_learned_with(rounds: Sequence[Round], number: int) -> Round:
    """The round whose depth chooses frames, carries labels and mixes in a round: its own, unless that is not kept.

    Earlier versions judged when segmentation had learned with it, whatever came of it.
    """
    one = rounds[number]
    return one if one.verdict("depth").get("whole") else kept_before(rounds, number + 1, "depth")


def asked_settings(config: FlywheelConfig, part: PartConfig) -> RunConfig:
    """Settings of a training as the user has them, before data are looked at."""
    return read_config(part.recipe, config.overrides | part.overrides)


def _effort(config: FlywheelConfig) -> dict[str, Any]:
    """Steps, batches and rates of the training that later rounds would have with hints: the control has the same."""
    hinted = asked_settings(config, config.hinted_depth)
    effort = {f"optim.{name}": getattr(hinted.optim, name) for name in _SCHEDULE}
    effort |= {f"train.{name}": getattr(hinted.train, name) for name in ("steps", "accumulate")}
    return effort | {"frames.batch_size": hinted.frames.batch_size}


def _gentle(config: FlywheelConfig) -> dict[str, Any]:
    """Rates and warm-up of segmentation that goes on: a restart at the full rates loses what is known."""
    optim, share = asked_settings(config, config.segmentation).optim, config.later.rate
    words: dict[str, Any] = {"optim.lr": optim.lr * share}
    words |= {f"optim.group_lr.{name}": rate * share for name, rate in optim.group_lr.items()}
    return words | ({} if config.later.warmup is None else {"optim.warmup": config.later.warmup})


def _twin(depth: RunConfig, method: str) -> dict[str, Any]:
    """Settings that make another method's networks those of the first depth run, and its unit the same."""
    section = depth.section
    words = network_of(depth)
    words |= {f"pose.{name}": value for name, value in dataclasses.asdict(section.pose).items()}
    words |= {f"{method}.loss.{name}": getattr(section.loss, name) for name in ("min_depth", "max_depth")}
    return words | {f"{method}.metres_per_unit": section.metres_per_unit}
