"""Scores of checkpoints: which is better, what of a log counts, when it was enough."""

import math

import pytest

from vergence.runs.scores import MEASURES, BestSoFar, Score, measured


@pytest.mark.parametrize("measure", MEASURES)
def test_better_is_what_the_measure_says(measure: str) -> None:
    low, high = Score(measure, 0.1), Score(measure, 0.2)
    better, worse = (high, low) if measure in ("miou", "flip_miou") else (low, high)
    assert better.better_than(worse)
    assert not worse.better_than(better)
    assert not low.better_than(low)


def test_a_score_is_read_back() -> None:
    score = Score("abs_rel", 0.25, "ab12")
    assert Score.of({"step": 5, **score.to_dict()}) == score
    odd = [{}, {"measure": "loss", "score": 1}, {"measure": "miou", "score": math.nan}, {"measure": "miou"}]
    assert [Score.of(values) for values in [*odd, {"measure": ["miou"], "score": 1}]] == [None] * 5


def test_labels_judge_before_depth() -> None:
    assert measured({"abs_rel": 0.2, "miou": 0.5}, "d") == Score("miou", 0.5, "d")
    assert measured({"abs_rel": 0.2, "miou": None}, "d") == Score("abs_rel", 0.2, "d")
    assert measured({"photometric": math.nan}, "d") is None


def rows(*values: float, frames: str = "d") -> list[dict[str, object]]:
    return [
        {"kind": "evaluate", "step": 10 * (place + 1), **Score("abs_rel", value, frames).to_dict()}
        for place, value in enumerate(values)
    ]


def test_enough_is_so_many_evaluations_after_the_best() -> None:
    best = BestSoFar([{"kind": "train", "step": 1, "score": 0.0, "measure": "abs_rel"}, *rows(0.5, 0.3, 0.3, 0.4)])
    assert (best.score, best.step, best.waited) == (Score("abs_rel", 0.3, "d"), 20, 2)
    assert best.exhausted(3) == best.exhausted(0) == ""
    assert best.exhausted(2) == "2 evaluations were not better than abs_rel 0.3 of step 20"
    assert best.add(50, Score("abs_rel", 0.2, "d"))
    assert best.exhausted(1) == ""


def test_other_frames_begin_anew() -> None:
    best = BestSoFar([*rows(0.3), *rows(0.5, frames="other")])
    assert best.score == Score("abs_rel", 0.5, "other")
