"""The gate: what is set aside, when a round is kept, and what later rounds start from."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vergence.data.manifest import Manifest
from vergence.data.rows.frame_row import FrameRow
from vergence.errors import InputError
from vergence.flywheel import gate, trainings
from vergence.flywheel.folder import Round, score_rows
from vergence.flywheel.gate import apart, judge
from vergence.flywheel.measures import Measure
from vergence.flywheel.settings import FlywheelConfig, GateConfig, load_flywheel
from vergence.flywheel.trainings import Trainings, depth_learned_with, kept_before
from vergence.runs.config import read_config
from vergence.runs.folder import RunFolder


def measure(before: float, now: float, higher: bool = True, error: float = 0.0) -> Measure:
    return Measure("miou" if higher else "abs_rel", "labels", before, now, higher, 5, error)


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
        self.given: Measure | None = None
        self.asked: list[tuple[str, int, int]] = []
        self.weights = "one"
        monkeypatch.setattr(
            gate, "find_checkpoint", lambda run: SimpleNamespace(identity=lambda: f"{self.weights} {run.parent.name}")
        )
        monkeypatch.setattr(gate, "_measure", self._measure)

    def _measure(self, settings: Any, parts: Any, rounds: Any, pair: Any, task: str, device: str) -> Measure | None:
        self.asked.append((task, pair[0].number, pair[1].number))
        return self.given

    def __call__(self, number: int, task: str, given: Measure | None = None, by: str = "labels") -> bool:
        self.given = given
        config = config_of(by=by)
        return judge(config, self.rounds, number, task, apart(config, frames(20)), "cpu")

    def kept(self, task: str) -> list[bool]:
        return [one.kept(task) for one in self.rounds]


BETTER, WORSE = measure(0.3, 0.4), measure(0.4, 0.3)


def test_each_task_is_judged_by_itself_against_the_last_kept_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wheel = Judging(tmp_path, monkeypatch)
    assert wheel(0, "depth") is False
    for number, depth, classes in ((1, WORSE, BETTER), (2, BETTER, WORSE), (3, BETTER, BETTER)):
        assert wheel(number, "depth", depth) is True
        assert wheel(number, "segmentation", classes) is True
    assert wheel.kept("depth") == [True, False, True, True]
    assert wheel.kept("segmentation") == [True, True, False, True]
    assert [pair[1:] for pair in wheel.asked if pair[0] == "depth"] == [(0, 1), (0, 2), (2, 3)]
    assert [pair[1:] for pair in wheel.asked if pair[0] == "segmentation"] == [(0, 1), (1, 2), (1, 3)]
    assert [kept_before(wheel.rounds, number, "depth").number for number in range(5)] == [0, 0, 0, 2, 3]
    assert [kept_before(wheel.rounds, number, "segmentation").number for number in range(5)] == [0, 0, 1, 1, 3]
    assert [depth_learned_with(wheel.rounds, number).number for number in range(4)] == [0, 0, 2, 3]
    why = "miou 0.3, was 0.4 (difference -0.1 ± 0; labels, 5 frames)"
    assert f"round 1: depth is not kept: {why}; that of round 0 goes on" in caplog.text
    assert "round 1: segmentation is kept: miou 0.4, was 0.3" in caplog.text
    assert f"round 2: segmentation is not kept: {why}; that of round 1 goes on" in caplog.text
    assert wheel.rounds[1].verdict("depth")["because"] == why


def test_what_is_better_by_less_than_its_error_is_not_kept_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    assert wheel(1, "segmentation", measure(0.25, 0.28125, error=0.0625))
    assert wheel(1, "depth", measure(0.25, 0.1875, higher=False, error=0.0625))  # just as much
    assert not wheel.rounds[1].kept("segmentation")
    assert wheel.rounds[1].kept("depth")
    because = wheel.rounds[1].verdict("segmentation")["because"]
    assert because == "miou 0.2812, was 0.25 (difference +0.031 ± 0.062; labels, 5 frames): not surely better"


def labelled(one: Round, count: int) -> None:
    """So many frames are labelled in a round."""
    one.folder.mkdir(exist_ok=True)
    one.chosen_file.write_text(json.dumps([f"{place}.png" for place in range(count)]), encoding="utf-8")


def test_segmentation_with_more_labels_is_kept_unless_it_is_surely_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    for one, count in zip(wheel.rounds, (5, 10, 15, 15), strict=True):
        labelled(one, count)
    slightly = measure(0.5, 0.46875, error=0.0625)
    assert wheel(1, "depth", slightly)
    assert wheel(1, "segmentation", slightly)
    assert wheel(2, "segmentation", measure(0.5, 0.25, error=0.0625))
    assert wheel.kept("depth")[1] is False, "labels say nothing of depth"
    assert wheel.kept("segmentation")[:3] == [True, True, False]
    because = wheel.rounds[1].verdict("segmentation")["because"]
    assert because == "miou 0.4688, was 0.5 (difference -0.031 ± 0.062; labels, 5 frames): not surely worse"
    assert wheel(3, "segmentation", slightly), "more than round 1, the last kept one, has"
    assert wheel.kept("segmentation")[3]
    labelled(wheel.rounds[3], 10)  # no more than that
    assert wheel(3, "segmentation", slightly)
    assert not wheel.kept("segmentation")[3]


def test_a_verdict_stands_until_what_it_depends_on_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel, task = Judging(tmp_path, monkeypatch), "segmentation"
    assert wheel(1, task, WORSE) is True
    assert wheel(1, task, BETTER) is False  # stopped and called again
    assert not wheel.rounds[1].kept(task)
    assert wheel.rounds[1].kept("depth")
    wheel.weights = "others"
    assert wheel(1, task, BETTER) is True
    assert wheel.rounds[1].kept(task)
    wheel.rounds[1].verdict_file.write_text('{"segmentation": {"kept": fal', encoding="utf-8")  # torn
    assert wheel(1, task, WORSE) is True
    assert not wheel.rounds[1].kept(task)
    assert wheel(1, "depth", by="none") is True
    assert wheel.rounds[1].kept(task)
    assert wheel(1, task, by="none") is False


def test_what_is_no_number_is_refused_and_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    wheel(1, "depth", measure(0.2, float("nan"), higher=False, error=float("nan")))
    assert not wheel.rounds[1].kept("depth")
    (measured,) = wheel.rounds[1].verdict("depth")["measures"]
    assert (measured["now"], measured["difference"], measured["error"]) == (None, None, None)


def test_the_verdict_has_difference_error_and_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    wheel(1, "depth", measure(0.25, 0.5, higher=False, error=0.125))
    (measured,) = wheel.rounds[1].verdict("depth")["measures"]
    assert (measured["difference"], measured["error"], measured["frames"]) == (0.25, 0.125, 5)


def old_verdict(one: Round, kept: bool, weights: tuple[str, ...]) -> None:
    """As versions wrote it that judged rounds as a whole."""
    measured = {"task": "depth", "name": "abs_rel", "on": "frames", "before": 0.3, "now": 0.4, "higher": False}
    asked = {"by": "labels", "frames": 10, "margin": 0.0, "against": 0}
    asked["frames"] = apart(config_of(by="labels"), frames(20)).judging.digest()
    verdict = {"kept": kept, "against": 0, "because": "abs_rel 0.4, was 0.3 (frames)", "measures": [measured],
               "asked": asked | {"weights": list(weights)}}  # fmt: skip
    one.folder.mkdir(exist_ok=True)
    one.verdict_file.write_text(json.dumps(verdict), encoding="utf-8")


def test_a_verdict_on_a_whole_round_is_that_of_both_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of earlier versions; its segmentation has learned with the round's own depth."""
    wheel = Judging(tmp_path, monkeypatch)
    one = wheel.rounds[1]
    old_verdict(one, False, ("one round-0", "one round-0", "one round-1", "one round-1"))
    before = one.verdict_file.read_bytes()
    for task in ("depth", "segmentation"):
        assert wheel(1, task, BETTER) is False
        assert not one.kept(task)
    assert one.verdict_file.read_bytes() == before
    assert depth_learned_with(wheel.rounds, 1).number == 1
    assert depth_learned_with(wheel.rounds, 2).number == 2
    assert [kept_before(wheel.rounds, 2, task).number for task in ("depth", "segmentation")] == [0, 0]
    old_verdict(one, False, ("one round-0", "one round-0", "one round-1", "others round-1"))  # segmentation anew
    assert wheel(1, "depth", BETTER) is False
    assert wheel(1, "segmentation", BETTER) is True
    assert one.kept("segmentation")


@pytest.mark.parametrize("own", [True, False])
def test_depth_that_segmentation_has_learned_with_is_not_judged_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """Stopped by an earlier version, which judged at the end of rounds; or the verdict is damaged."""
    wheel = Judging(tmp_path, monkeypatch)
    one = wheel.rounds[1]
    config = read_config("three_ways-toytown-tiny", {"three_ways.depth": str(wheel.rounds[1 if own else 0].depth)})
    RunFolder(one.segmentation).write_recipe(config.to_dict())
    assert wheel(1, "depth", WORSE) is not own
    assert one.kept("depth") is own


def test_without_any_measure_a_task_is_kept_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    wheel(1, "depth")
    assert wheel.rounds[1].kept("depth")
    assert "depth of round 1 is kept unjudged" in caplog.text


def test_what_is_scored_says_whether_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Judging(tmp_path, monkeypatch)
    for one in wheel.rounds[:3]:
        one.folder.mkdir()
        for run in ("depth", "segmentation"):
            one.keep_scores(run, {"asked": {}, "rows": [{"round": one.number, "run": run, "task": run}]})
    wheel(1, "depth", WORSE)
    wheel(1, "segmentation", BETTER)
    assert [row["kept"] for row in score_rows(wheel.rounds)] == [True, True, False, True, True, True]


@pytest.mark.parametrize("kept", [(True, True), (False, True), (True, False), (False, False)])
def test_later_rounds_go_on_from_what_is_kept_warm_and_gently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: tuple[bool, bool]
) -> None:
    monkeypatch.setattr(trainings, "load_config", read_config)  # as asked, before runs and frames are looked at
    config = load_flywheel("flywheel-toytown-tiny", {"flywheel.later.warmup": 3}, "/data").flywheel
    rounds = [Round(tmp_path, number) for number in range(3)]
    rounds[1].folder.mkdir()
    verdicts = {task: {"kept": value} for task, value in zip(("depth", "segmentation"), kept, strict=True)}
    rounds[1].verdict_file.write_text(json.dumps(verdicts), encoding="utf-8")
    known, depths, classes = Trainings(config, rounds), *(rounds[int(value)] for value in kept)
    later, now, first = (known.of(*of) for of in (("depth", 2), ("segmentation", 2), ("segmentation", 0)))
    assert later.section.initialize_from == str(depths.depth)
    assert later.section.labels == str(classes.segmentation)
    assert now.section.initialize_from == str(classes.segmentation)
    assert now.section.depth == str(rounds[2].depth)
    assert known.of("segmentation", 1).section.depth == str(depths.depth), "the same round goes on with kept depth"
    assert now.optim.lr == pytest.approx(0.3 * first.optim.lr)
    assert now.optim.group_lr == pytest.approx({name: 0.3 * rate for name, rate in first.optim.group_lr.items()})
    assert first.optim.group_lr, "or this recipe shows nothing"
    assert (now.optim.warmup, now.frames.source) == (3, str(rounds[2].data))
    assert first.section.initialize_from == str(rounds[0].depth)
    carrying = Trainings(replace(config, carry=replace(config.carry, seconds=1.0), warm_start=False), rounds)
    cold = carrying.of("segmentation", 1)
    assert cold.frames.source == str(rounds[1].carried)
    assert (cold.section.initialize_from, cold.optim.lr) == (str(depths.depth), first.optim.lr)


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
