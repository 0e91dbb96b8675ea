"""The gate: what is set aside, when a round is kept, and what later rounds start from."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vergence.data.frame_row import FrameRow
from vergence.data.manifest import Manifest
from vergence.errors import InputError
from vergence.flywheel import gate, trainings
from vergence.flywheel.folder import Round, score_rows
from vergence.flywheel.gate import Measure, apart, judge
from vergence.flywheel.settings import FlywheelConfig, GateConfig, load_flywheel
from vergence.flywheel.trainings import Trainings, kept_before
from vergence.runs.config import read_config


def measure(before: float, now: float, higher: bool = True) -> Measure:
    return Measure("segmentation", "miou", "labels", before, now, higher)


@pytest.mark.parametrize(
    ("before", "now", "higher", "margin", "worse"),
    [
        (0.5, 0.5, True, 0.0, False),
        (0.5, 0.499, True, 0.0, True),
        (0.5, 0.499, True, 0.01, False),
        (0.2, 0.21, False, 0.0, True),
        (0.2, 0.19, False, 0.0, False),
        (0.2, 0.21, False, 0.1, False),
        (0.2, float("nan"), False, 0.9, True),
    ],
)
def test_worse_is_what_lost_more_than_the_margin(
    before: float, now: float, higher: bool, margin: float, worse: bool
) -> None:
    assert measure(before, now, higher).worse(margin) is worse


def frames(labelled: int, others: int = 0, split: str = "val") -> Manifest:
    rows = [
        FrameRow(f"{place:02}.png", "a", place, label="l.png" if place < labelled else "", split=split)
        for place in range(labelled + others)
    ]
    return Manifest(rows, Path("/data"))


def config_of(**settings: Any) -> FlywheelConfig:
    config = load_flywheel("flywheel-toytown-tiny", (), "/data").flywheel
    return replace(config, gate=GateConfig(**settings))


@pytest.mark.parametrize(("labelled", "asked", "aside"), [(20, 5, 5), (20, 15, 10), (3, 10, 1), (1, 10, 0), (0, 10, 0)])
def test_frames_that_judge_are_not_scored(labelled: int, asked: int, aside: int) -> None:
    data = frames(labelled, 4)
    found = apart(config_of(frames=asked), data)
    judging, scored = ({row.image for row in part} for part in (found.judging, found.scored))
    if not aside:
        assert judging == scored == {row.image for row in data}
        return
    assert len(judging) == aside
    assert not judging & scored
    assert judging | scored == {row.image for row in data}
    assert all(row.label for row in found.judging)


def test_where_no_labels_can_be_set_aside() -> None:
    assert len(apart(config_of(by="video"), frames(20)).scored) == 20
    assert len(apart(config_of(by="none"), frames(20)).scored) == 20
    assert len(apart(config_of(), frames(20, split="train")).scored) == 20  # these are trained on: they judge nothing
    with pytest.raises(InputError, match=r"flywheel.gate.by is labels, and no two frames of the evaluation split"):
        apart(config_of(by="labels"), frames(1, 5))


class Judging:
    """A flywheel without runs: rounds are folders, their measures are given."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds = [Round(home, number) for number in range(4)]
        self.given: list[Measure] = []
        self.asked: list[tuple[int, int]] = []
        self.weights = "one"
        checkpoint = SimpleNamespace(identity=lambda: self.weights)
        monkeypatch.setattr(gate, "find_checkpoint", lambda run: checkpoint)
        monkeypatch.setattr(gate, "_measures", self._measures)

    def _measures(self, settings: Any, parts: Any, labels: bool, pair: Any, device: str) -> list[Measure]:
        self.asked.append((pair[0].number, pair[1].number))
        return self.given

    def __call__(self, number: int, *given: Measure, by: str = "labels") -> bool:
        self.given = list(given)
        config = config_of(by=by)
        return judge(config, self.rounds, number, apart(config, frames(20)), "cpu")


def test_a_worse_round_is_refused_and_the_next_is_compared_with_the_kept_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wheel = Judging(tmp_path, monkeypatch)
    assert wheel(0) is False
    wheel(1, measure(0.3, 0.4), measure(0.2, 0.1, higher=False))
    wheel(2, measure(0.4, 0.5), measure(0.1, 0.2, higher=False))  # one of two measures is worse
    wheel(3, measure(0.4, 0.4))
    assert [one.kept for one in wheel.rounds] == [True, True, False, True]
    assert wheel.asked == [(0, 1), (1, 2), (1, 3)]
    assert [kept_before(wheel.rounds, number).number for number in range(5)] == [0, 0, 1, 1, 3]
    assert "round 2 is not kept: miou 0.2, was 0.1 (labels); the next starts from round 1" in caplog.text
    assert "round 3 is kept" in caplog.text
    assert wheel.rounds[2].verdict()["because"] == "miou 0.2, was 0.1 (labels)"


def test_a_verdict_stands_until_what_it_depends_on_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    assert wheel(1, measure(0.4, 0.3)) is True
    assert wheel(1, measure(0.3, 0.4)) is False  # stopped and called again
    assert not wheel.rounds[1].kept
    wheel.weights = "others"
    assert wheel(1, measure(0.3, 0.4)) is True
    assert wheel.rounds[1].kept
    wheel.rounds[1].verdict_file.write_text('{"kept": fal', encoding="utf-8")  # torn
    assert wheel(1, measure(0.4, 0.3)) is True
    assert not wheel.rounds[1].kept
    assert wheel(1, by="none") is True
    assert wheel.rounds[1].kept
    assert wheel(1, by="none") is False


def test_without_any_measure_a_round_is_kept_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    wheel(1)
    assert wheel.rounds[1].kept
    assert "round 1 is kept unjudged" in caplog.text


def test_what_is_scored_says_whether_its_round_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    for one in wheel.rounds[:3]:
        one.folder.mkdir()
        one.keep_scores("depth", {"asked": {}, "rows": [{"round": one.number, "run": "depth", "task": "depth"}]})
    wheel(1, measure(0.4, 0.3))
    assert [row["kept"] for row in score_rows(wheel.rounds)] == [True, False, True]


@pytest.mark.parametrize("refused", [False, True])
def test_later_rounds_start_from_the_kept_one_warm_and_gently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    monkeypatch.setattr(trainings, "load_config", read_config)  # as asked, before runs and frames are looked at
    config = load_flywheel("flywheel-toytown-tiny", {"flywheel.later.warmup": 3}, "/data").flywheel
    rounds = [Round(tmp_path, number) for number in range(3)]
    rounds[1].folder.mkdir()
    rounds[1].verdict_file.write_text(json.dumps({"kept": not refused}), encoding="utf-8")
    known, start = Trainings(config, rounds), rounds[0 if refused else 1]
    depth, classes, first = (known.of(*of) for of in (("depth", 2), ("segmentation", 2), ("segmentation", 0)))
    assert depth.section.initialize_from == str(start.depth)
    assert depth.section.labels == str(start.segmentation)
    assert classes.section.initialize_from == str(start.segmentation)
    assert classes.section.depth == str(rounds[2].depth)
    assert classes.optim.lr == pytest.approx(0.3 * first.optim.lr)
    assert (classes.optim.warmup, classes.frames.source) == (3, str(rounds[2].data))
    assert first.section.initialize_from == str(rounds[0].depth)
    carrying = Trainings(replace(config, carry=replace(config.carry, seconds=1.0), warm_start=False), rounds)
    classes = carrying.of("segmentation", 2)
    assert classes.frames.source == str(rounds[2].carried)
    assert (classes.section.initialize_from, classes.optim.lr) == (str(rounds[2].depth), first.optim.lr)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("gate.by label", r"flywheel.gate.by is 'label' in the command line; expected one of auto, labels"),
        ("gate.frames 0", r"flywheel.gate.frames is 0; give 1 or more"),
        ("gate.margin 1", r"flywheel.gate.margin is 1.0; give 0 or more"),
        ("carry.seconds -1", r"flywheel.carry.seconds is -1.0; give 0 or more"),
        ("carry.keep 0", r"flywheel.carry.keep is 0.0; give a share"),
        ("later.rate 0", r"flywheel.later.rate is 0.0; give a share over 0"),
        ("later.warmup -1", r"flywheel.later.warmup is -1; give 0 or more steps"),
    ],
)
def test_bad_settings_are_one_sentence(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_flywheel("flywheel-toytown-tiny", f"--flywheel.{words}".split(), "/data")
